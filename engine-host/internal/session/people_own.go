package session

import (
	"context"
	"errors"
	"slices"
	"strings"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/types"
	waevents "go.mau.fi/whatsmeow/types/events"
)

// SetOwnProfile changes what others see of this number, one thing after the other.
func (s *Session) SetOwnProfile(ctx context.Context, q *pb.SetOwnProfileRequest) (*pb.SetOwnProfileReply, error) {
	if q.Name != nil && strings.TrimSpace(*q.Name) == "" {
		return nil, invalid("an empty name")
	}
	var picture []byte
	if q.GetPicturePath() != "" {
		content, err := s.m.cfg.Media.Read(*q.PicturePath, maxPicture)
		if err != nil {
			return nil, mediaError(err)
		}
		picture = content
	}
	if err := s.usable(); err != nil {
		return nil, err
	}
	if q.Name != nil {
		if err := s.client.SendAppState(ctx, appstate.BuildSettingPushName(*q.Name)); err != nil {
			return nil, queryError(err)
		}
		s.rename(ctx, *q.Name)
	}
	if q.About != nil {
		if err := s.client.SetStatusMessage(ctx, types.SetStatusInput{Text: q.About}); err != nil {
			return nil, queryError(err)
		}
	}
	if q.PicturePath == nil {
		return &pb.SetOwnProfileReply{}, nil
	}
	id, err := s.client.SetGroupPhoto(ctx, types.EmptyJID, picture) // no target: the own picture
	if errors.Is(err, whatsmeow.ErrInvalidImageFormat) {
		return nil, invalid("WhatsApp does not take this picture")
	}
	if err != nil {
		return nil, queryError(err)
	}
	if picture == nil {
		id = ""
	}
	return &pb.SetOwnProfileReply{PictureId: id}, nil
}

// rename keeps a name of our own in the store: whatsmeow does so only for one that another device has set.
func (s *Session) rename(ctx context.Context, name string) {
	if s.device.PushName == name {
		return
	}
	s.device.PushName = name
	if err := s.device.Save(ctx); err != nil {
		s.log.Warn("store the own name", "error", err)
	}
	s.remember()
}

// BlockList returns whom this number has blocked.
func (s *Session) BlockList(ctx context.Context) ([]string, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	list, err := s.client.GetBlocklist(ctx)
	if err != nil {
		return nil, queryError(err)
	}
	return texts(list.JIDs), nil
}

// SetBlocked blocks or unblocks one person and returns the list.
func (s *Session) SetBlocked(ctx context.Context, of string, blocked bool) ([]string, error) {
	target, err := personJID(of)
	if err != nil {
		return nil, err
	}
	if err = s.usable(); err != nil {
		return nil, err
	}
	action := waevents.BlocklistChangeActionUnblock
	if blocked {
		action = waevents.BlocklistChangeActionBlock
	}
	list, err := s.client.UpdateBlocklist(ctx, target, action)
	if err != nil {
		return nil, queryError(err)
	}
	return texts(list.JIDs), nil
}

func texts(jids []types.JID) []string {
	list := make([]string, len(jids))
	for i, one := range jids {
		list[i] = jid(one)
	}
	return list
}

// privacyValues are the settings that this contract can change, with what each may be.
var privacyValues = map[types.PrivacySettingType][]types.PrivacySetting{
	types.PrivacySettingTypeLastSeen:     audience,
	types.PrivacySettingTypeProfile:      audience,
	types.PrivacySettingTypeStatus:       audience,
	types.PrivacySettingTypeGroupAdd:     audience,
	types.PrivacySettingTypeOnline:       {types.PrivacySettingAll, types.PrivacySettingMatchLastSeen},
	types.PrivacySettingTypeReadReceipts: {types.PrivacySettingAll, types.PrivacySettingNone},
	types.PrivacySettingTypeCallAdd:      {types.PrivacySettingAll, types.PrivacySettingKnown},
}

var audience = []types.PrivacySetting{
	types.PrivacySettingAll, types.PrivacySettingContacts, types.PrivacySettingContactBlacklist, types.PrivacySettingNone,
}

// Privacy returns the privacy settings.
func (s *Session) Privacy(ctx context.Context) (map[string]string, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	settings, err := s.client.TryFetchPrivacySettings(ctx, false)
	if err != nil {
		return nil, queryError(err)
	}
	return privacy(settings), nil
}

// SetPrivacy changes one privacy setting and returns all.
func (s *Session) SetPrivacy(ctx context.Context, name, value string) (map[string]string, error) {
	kind, wanted := types.PrivacySettingType(name), types.PrivacySetting(value)
	if !slices.Contains(privacyValues[kind], wanted) {
		return nil, invalid("privacy setting %q cannot be %q", name, value)
	}
	if err := s.usable(); err != nil {
		return nil, err
	}
	settings, err := s.client.SetPrivacySetting(ctx, kind, wanted)
	if err != nil {
		return nil, queryError(err)
	}
	return privacy(&settings), nil
}

func privacy(settings *types.PrivacySettings) map[string]string {
	return map[string]string{
		string(types.PrivacySettingTypeLastSeen):     string(settings.LastSeen),
		string(types.PrivacySettingTypeProfile):      string(settings.Profile),
		string(types.PrivacySettingTypeStatus):       string(settings.Status),
		string(types.PrivacySettingTypeGroupAdd):     string(settings.GroupAdd),
		string(types.PrivacySettingTypeOnline):       string(settings.Online),
		string(types.PrivacySettingTypeReadReceipts): string(settings.ReadReceipts),
		string(types.PrivacySettingTypeCallAdd):      string(settings.CallAdd),
	}
}
