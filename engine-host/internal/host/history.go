package host

import (
	"context"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"github.com/blazz/blazz/engine-host/internal/session"
	"google.golang.org/grpc"
)

// historyServer implements the contract about history by handing every call to the session that it names.
type historyServer struct {
	pb.UnimplementedHistoryServer
	manager *session.Manager
}

func (s *historyServer) Fetch(q *pb.FetchHistoryRequest, stream grpc.ServerStreamingServer[pb.HistoryPiece]) error {
	target, err := s.manager.Get(q.SessionId, q.Epoch)
	if err != nil {
		return err
	}
	return target.FetchHistory(stream.Context(), q, stream.Send)
}

func (s *historyServer) Finish(ctx context.Context, q *pb.FinishHistoryRequest) (*pb.FinishHistoryReply, error) {
	target, err := s.manager.Get(q.SessionId, q.Epoch)
	if err != nil {
		return nil, err
	}
	return &pb.FinishHistoryReply{}, target.FinishHistory(ctx, q)
}
