package host

import (
	"context"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"github.com/blazz/blazz/engine-host/internal/session"
)

// pairingServer, callsServer and limitsServer hand every call to the session that it names.
type (
	pairingServer struct {
		pb.UnimplementedPairingServer
		manager *session.Manager
	}
	callsServer struct {
		pb.UnimplementedCallsServer
		manager *session.Manager
	}
	limitsServer struct {
		pb.UnimplementedLimitsServer
		manager *session.Manager
	}
)

func (s *pairingServer) AnswerPasskey(ctx context.Context, q *pb.AnswerPasskeyRequest) (*pb.AnswerPasskeyReply, error) {
	target, err := s.manager.Get(q.SessionId, q.Epoch)
	if err != nil {
		return nil, err
	}
	return &pb.AnswerPasskeyReply{}, target.AnswerPasskey(ctx, q.Credential)
}

func (s *pairingServer) ConfirmPasskey(ctx context.Context, q *pb.ConfirmPasskeyRequest) (*pb.ConfirmPasskeyReply, error) {
	target, err := s.manager.Get(q.SessionId, q.Epoch)
	if err != nil {
		return nil, err
	}
	return &pb.ConfirmPasskeyReply{}, target.ConfirmPasskey(ctx)
}

func (s *callsServer) RejectCall(ctx context.Context, q *pb.RejectCallRequest) (*pb.RejectCallReply, error) {
	target, err := s.manager.Get(q.SessionId, q.Epoch)
	if err != nil {
		return nil, err
	}
	return &pb.RejectCallReply{}, target.RejectCall(ctx, q)
}

func (s *limitsServer) GetReachoutTimelock(
	ctx context.Context, q *pb.GetReachoutTimelockRequest,
) (*pb.GetReachoutTimelockReply, error) {
	target, err := s.manager.Get(q.SessionId, q.Epoch)
	if err != nil {
		return nil, err
	}
	return target.ReachoutTimelock(ctx)
}
