package host

import (
	"context"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"github.com/blazz/blazz/engine-host/internal/session"
)

// stateServer implements the contract about app state by handing every call to the session that it names.
type stateServer struct {
	pb.UnimplementedAppStateServer
	manager *session.Manager
}

func (s *stateServer) Apply(ctx context.Context, q *pb.ApplyStateRequest) (*pb.ApplyStateReply, error) {
	target, err := s.manager.Get(q.SessionId, q.Epoch)
	if err != nil {
		return nil, err
	}
	return target.ApplyState(ctx, q)
}

func (s *stateServer) Sync(ctx context.Context, q *pb.SyncStateRequest) (*pb.SyncStateReply, error) {
	target, err := s.manager.Get(q.SessionId, q.Epoch)
	if err != nil {
		return nil, err
	}
	return target.SyncState(ctx, q)
}
