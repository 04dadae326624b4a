package host

import (
	"context"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"github.com/blazz/blazz/engine-host/internal/session"
)

// mediaServer implements the contract about lost files by handing every call to the session that it names.
type mediaServer struct {
	pb.UnimplementedMediaServer
	manager *session.Manager
}

func (s *mediaServer) RequestAgain(ctx context.Context, q *pb.RequestAgainRequest) (*pb.RequestAgainReply, error) {
	target, err := s.manager.Get(q.SessionId, q.Epoch)
	if err != nil {
		return nil, err
	}
	return target.RequestMediaAgain(ctx, q)
}
