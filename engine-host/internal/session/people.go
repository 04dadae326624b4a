package session

import (
	"context"
	"errors"
	"strings"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waVnameCert"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

const (
	maxPeople  = 50      // in one look-up; WhatsApp answers slowly beyond
	maxPicture = 2 << 20 // bytes; WhatsApp's own are below 300 KiB
)

// What whatsmeow says of a business profile that is empty; it has no error value of its own for that.
const noBusinessProfile = "missing jid in business profile"

func people(texts []string, limit int) ([]types.JID, error) {
	if n := len(texts); n == 0 || n > limit {
		return nil, invalid("1 to %d people", limit)
	}
	list := make([]types.JID, len(texts))
	for i, text := range texts {
		person, err := personJID(text)
		if err != nil {
			return nil, err
		}
		list[i] = person
	}
	return list, nil
}

// personJID takes the address of a person in either addressing mode.
func personJID(text string) (types.JID, error) {
	parsed, err := parseJID(text)
	if err != nil {
		return parsed, err
	}
	if parsed.Server != types.DefaultUserServer && parsed.Server != types.HiddenUserServer {
		return parsed, invalid("%q is not a person", text)
	}
	return parsed.ToNonAD(), nil
}

// UserInfo looks people up.
func (s *Session) UserInfo(ctx context.Context, jids []string) ([]*pb.PersonInfo, error) {
	asked, err := people(jids, maxPeople)
	if err != nil {
		return nil, err
	}
	if err = s.usable(); err != nil {
		return nil, err
	}
	found, err := s.client.GetUserInfo(ctx, asked)
	if err != nil {
		return nil, queryError(err)
	}
	names, err := s.names(ctx, asked)
	if err != nil {
		return nil, err
	}
	list := make([]*pb.PersonInfo, 0, len(found))
	for _, person := range asked {
		info, ok := found[person]
		if !ok {
			continue
		}
		entry := &pb.PersonInfo{
			Jid: jid(person), About: info.Status, PictureId: info.PictureID,
			Username: names[person].username, VerifiedName: names[person].verified,
		}
		entry.Phone, entry.Lid = s.bothAddresses(ctx, person, info.LID)
		for _, device := range info.Devices {
			entry.Devices = append(entry.Devices, jid(device))
		}
		list = append(list, entry)
	}
	return list, nil
}

// names are what whatsmeow's own look-up does not return: it takes a business's verified name and keeps it to itself.
type names struct{ username, verified string }

func (s *Session) names(ctx context.Context, asked []types.JID) (map[types.JID]names, error) {
	//lint:ignore SA1019 the library has no other call that returns them
	answer, err := s.client.DangerousInternals().Usync(ctx, asked, "query", "background", []waBinary.Node{
		{Tag: "username"},
		{Tag: "business", Content: []waBinary.Node{{Tag: "verified_name"}}},
	})
	if err != nil {
		return nil, queryError(err)
	}
	found := map[types.JID]names{}
	for _, user := range answer.GetChildren() {
		person, ok := user.Attrs["jid"].(types.JID)
		if !ok {
			continue
		}
		username, _ := user.GetChildByTag("username").Content.([]byte)
		found[person] = names{username: string(username), verified: verifiedName(user.GetChildByTag("business", "verified_name"))}
	}
	return found, nil
}

// verifiedName returns the name in a business's certificate, "" where there is none that can be read.
func verifiedName(node waBinary.Node) string {
	certificate, details := &waVnameCert.VerifiedNameCertificate{}, &waVnameCert.VerifiedNameCertificate_Details{}
	raw, _ := node.Content.([]byte)
	if proto.Unmarshal(raw, certificate) != nil || proto.Unmarshal(certificate.GetDetails(), details) != nil {
		return ""
	}
	return details.GetVerifiedName()
}

// bothAddresses returns a person's addresses by phone number and by LID, as far as they are known. answered is a LID
// that WhatsApp has just told.
func (s *Session) bothAddresses(ctx context.Context, person, answered types.JID) (phone, lid string) {
	if person.Server == types.HiddenUserServer {
		number, err := s.device.LIDs.GetPNForLID(ctx, person)
		if err != nil {
			s.log.Warn("read LID mapping", "error", err)
		}
		return jid(number.ToNonAD()), jid(person)
	}
	if answered.IsEmpty() {
		known, err := s.device.LIDs.GetLIDForPN(ctx, person)
		if err != nil {
			s.log.Warn("read LID mapping", "error", err)
		}
		answered = known
	}
	return jid(person), jid(answered.ToNonAD())
}

// ProfilePicture fetches a person's picture into a file unless it is the known one.
func (s *Session) ProfilePicture(ctx context.Context, q *pb.ProfilePictureRequest) (*pb.ProfilePictureReply, error) {
	target, err := parseJID(q.Jid)
	if err != nil {
		return nil, err
	}
	if err = s.usable(); err != nil {
		return nil, err
	}
	params := &whatsmeow.GetProfilePictureParams{ExistingID: q.KnownId}
	found, err := s.client.GetProfilePictureInfo(ctx, target.ToNonAD(), params)
	switch {
	case errors.Is(err, whatsmeow.ErrProfilePictureNotSet):
		return &pb.ProfilePictureReply{State: pb.PictureState_PICTURE_STATE_NONE}, nil
	case errors.Is(err, whatsmeow.ErrProfilePictureUnauthorized):
		return &pb.ProfilePictureReply{State: pb.PictureState_PICTURE_STATE_HIDDEN}, nil
	case err != nil:
		return nil, queryError(err)
	case found == nil:
		return &pb.ProfilePictureReply{State: pb.PictureState_PICTURE_STATE_UNCHANGED, Id: q.KnownId}, nil
	}
	length, err := s.m.cfg.Media.DownloadPlain(ctx, s.client, q.Path, found.DirectPath, maxPicture)
	if err != nil {
		return nil, mediaError(err)
	}
	return &pb.ProfilePictureReply{State: pb.PictureState_PICTURE_STATE_FETCHED, Id: found.ID, FileLength: length}, nil
}

// BusinessProfile looks up what a business tells of itself.
func (s *Session) BusinessProfile(ctx context.Context, of string) (*pb.BusinessProfileReply, error) {
	target, err := personJID(of)
	if err != nil {
		return nil, err
	}
	if err = s.usable(); err != nil {
		return nil, err
	}
	profile, err := s.client.GetBusinessProfile(ctx, target)
	if errors.Is(err, whatsmeow.ErrIQNotFound) || (err != nil && strings.Contains(err.Error(), noBusinessProfile)) {
		return &pb.BusinessProfileReply{}, nil
	}
	if err != nil {
		return nil, queryError(err)
	}
	reply := &pb.BusinessProfileReply{
		Found: true, Address: profile.Address, Email: profile.Email, Timezone: profile.BusinessHoursTimeZone,
	}
	for _, category := range profile.Categories {
		reply.Categories = append(reply.Categories, category.Name)
	}
	for _, hours := range profile.BusinessHours {
		reply.Hours = append(reply.Hours, &pb.BusinessHours{
			Day: hours.DayOfWeek, Mode: hours.Mode, Opens: hours.OpenTime, Closes: hours.CloseTime,
		})
	}
	return reply, nil
}
