package host

import (
	"context"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"github.com/blazz/blazz/engine-host/internal/session"
)

// peopleServer implements the contract about people by handing every call to the session that it names.
type peopleServer struct {
	pb.UnimplementedPeopleServer
	manager *session.Manager
}

// named is what every request says of the session that it is for.
type named interface {
	GetSessionId() string
	GetEpoch() uint64
}

func (s *peopleServer) target(q named) (*session.Session, error) {
	return s.manager.Get(q.GetSessionId(), q.GetEpoch())
}

func (s *peopleServer) UserInfo(ctx context.Context, q *pb.UserInfoRequest) (*pb.UserInfoReply, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	found, err := target.UserInfo(ctx, q.Jids)
	return &pb.UserInfoReply{People: found}, err
}

func (s *peopleServer) ProfilePicture(ctx context.Context, q *pb.ProfilePictureRequest) (*pb.ProfilePictureReply, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	return target.ProfilePicture(ctx, q)
}

func (s *peopleServer) BusinessProfile(ctx context.Context, q *pb.BusinessProfileRequest) (*pb.BusinessProfileReply, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	return target.BusinessProfile(ctx, q.Jid)
}

func (s *peopleServer) SetOwnProfile(ctx context.Context, q *pb.SetOwnProfileRequest) (*pb.SetOwnProfileReply, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	return target.SetOwnProfile(ctx, q)
}

func (s *peopleServer) GetBlockList(ctx context.Context, q *pb.GetBlockListRequest) (*pb.BlockListReply, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	list, err := target.BlockList(ctx)
	return &pb.BlockListReply{Jids: list}, err
}

func (s *peopleServer) SetBlocked(ctx context.Context, q *pb.SetBlockedRequest) (*pb.BlockListReply, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	list, err := target.SetBlocked(ctx, q.Jid, q.Blocked)
	return &pb.BlockListReply{Jids: list}, err
}

func (s *peopleServer) GetPrivacy(ctx context.Context, q *pb.GetPrivacyRequest) (*pb.PrivacyReply, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	settings, err := target.Privacy(ctx)
	return &pb.PrivacyReply{Settings: settings}, err
}

func (s *peopleServer) SetPrivacy(ctx context.Context, q *pb.SetPrivacyRequest) (*pb.PrivacyReply, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	settings, err := target.SetPrivacy(ctx, q.Name, q.Value)
	return &pb.PrivacyReply{Settings: settings}, err
}
