package host

import (
	"context"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"github.com/blazz/blazz/engine-host/internal/session"
)

// groupsServer implements the contract about groups by handing every call to the session that it names.
type groupsServer struct {
	pb.UnimplementedGroupsServer
	manager *session.Manager
}

func (s *groupsServer) target(q named) (*session.Session, error) {
	return s.manager.Get(q.GetSessionId(), q.GetEpoch())
}

func (s *groupsServer) Create(ctx context.Context, q *pb.CreateGroupRequest) (*pb.Group, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	return target.CreateGroup(ctx, q)
}

func (s *groupsServer) Info(ctx context.Context, q *pb.GroupRequest) (*pb.Group, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	return target.GroupInfo(ctx, q.Jid)
}

func (s *groupsServer) List(ctx context.Context, q *pb.ListGroupsRequest) (*pb.ListGroupsReply, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	groups, err := target.Groups(ctx)
	return &pb.ListGroupsReply{Groups: groups}, err
}

func (s *groupsServer) UpdateParticipants(ctx context.Context, q *pb.UpdateParticipantsRequest) (*pb.ParticipantsReply, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	return target.UpdateParticipants(ctx, q)
}

func (s *groupsServer) SetSubject(ctx context.Context, q *pb.SetGroupTextRequest) (*pb.GroupDone, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	return &pb.GroupDone{}, target.SetGroupSubject(ctx, q)
}

func (s *groupsServer) SetDescription(ctx context.Context, q *pb.SetGroupTextRequest) (*pb.GroupDone, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	return &pb.GroupDone{}, target.SetGroupDescription(ctx, q)
}

func (s *groupsServer) SetPicture(ctx context.Context, q *pb.SetGroupPictureRequest) (*pb.SetGroupPictureReply, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	return target.SetGroupPicture(ctx, q)
}

func (s *groupsServer) SetSettings(ctx context.Context, q *pb.SetGroupSettingsRequest) (*pb.GroupDone, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	return &pb.GroupDone{}, target.SetGroupSettings(ctx, q)
}

func (s *groupsServer) InviteLink(ctx context.Context, q *pb.InviteLinkRequest) (*pb.InviteLinkReply, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	return target.InviteLink(ctx, q)
}

func (s *groupsServer) InfoByLink(ctx context.Context, q *pb.LinkRequest) (*pb.Group, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	return target.InfoByLink(ctx, q.Link)
}

func (s *groupsServer) JoinByLink(ctx context.Context, q *pb.LinkRequest) (*pb.JoinReply, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	return target.JoinByLink(ctx, q.Link)
}

func (s *groupsServer) JoinByInvitation(ctx context.Context, q *pb.InvitationRequest) (*pb.GroupDone, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	return &pb.GroupDone{}, target.JoinByInvitation(ctx, q)
}

func (s *groupsServer) Leave(ctx context.Context, q *pb.GroupRequest) (*pb.GroupDone, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	return &pb.GroupDone{}, target.LeaveGroup(ctx, q.Jid)
}

func (s *groupsServer) Requests(ctx context.Context, q *pb.GroupRequest) (*pb.JoinRequestsReply, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	requests, err := target.JoinRequests(ctx, q.Jid)
	return &pb.JoinRequestsReply{Requests: requests}, err
}

func (s *groupsServer) AnswerRequests(ctx context.Context, q *pb.AnswerRequestsRequest) (*pb.ParticipantsReply, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	return target.AnswerRequests(ctx, q)
}

func (s *groupsServer) ChannelInfo(ctx context.Context, q *pb.ChannelRequest) (*pb.Channel, error) {
	target, err := s.target(q)
	if err != nil {
		return nil, err
	}
	return target.ChannelInfo(ctx, q.Jid)
}
