package session

import (
	"context"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ChannelInfo asks for a channel that the account follows.
func (s *Session) ChannelInfo(ctx context.Context, text string) (*pb.Channel, error) {
	channel, err := parseJID(text)
	if err != nil {
		return nil, err
	}
	if channel.Server != types.NewsletterServer {
		return nil, invalid("%q is not a channel", text)
	}
	if err = s.usable(); err != nil {
		return nil, err
	}
	found, err := s.client.GetNewsletterInfo(ctx, channel)
	if err != nil {
		return nil, queryError(err)
	}
	if found == nil {
		return nil, status.Error(codes.NotFound, "no_such_channel: WhatsApp does not show this channel")
	}
	return &pb.Channel{
		Jid: jid(found.ID), Name: found.ThreadMeta.Name.Text, Description: found.ThreadMeta.Description.Text,
	}, nil
}
