package dbstore

import (
	"context"
	"strings"

	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
)

// lids are the pairs of phone number and LID that one session knows. whatsmeow keeps one table for all devices of a
// database; there a session's names carry its store's number, because one customer's phone numbers are no other
// customer's business, and because two sessions that learn the same pair at once would block each other.
type lids struct {
	inner  *sqlstore.CachedLIDMap
	prefix string
}

func (l *lids) in(jid types.JID) types.JID {
	jid.User = l.prefix + jid.User
	return jid
}

func (l *lids) out(jid types.JID) types.JID {
	jid.User = strings.TrimPrefix(jid.User, l.prefix)
	return jid
}

func (l *lids) PutManyLIDMappings(ctx context.Context, mappings []wastore.LIDMapping) error {
	own := make([]wastore.LIDMapping, len(mappings))
	for i, mapping := range mappings {
		own[i] = wastore.LIDMapping{LID: l.in(mapping.LID), PN: l.in(mapping.PN)}
	}
	return l.inner.PutManyLIDMappings(ctx, own)
}

func (l *lids) PutLIDMapping(ctx context.Context, lid, pn types.JID) error {
	return l.inner.PutLIDMapping(ctx, l.in(lid), l.in(pn))
}

func (l *lids) GetPNForLID(ctx context.Context, lid types.JID) (types.JID, error) {
	found, err := l.inner.GetPNForLID(ctx, l.in(lid))
	return l.out(found), err
}

func (l *lids) GetLIDForPN(ctx context.Context, pn types.JID) (types.JID, error) {
	found, err := l.inner.GetLIDForPN(ctx, l.in(pn))
	return l.out(found), err
}

func (l *lids) GetManyLIDsForPNs(ctx context.Context, pns []types.JID) (map[types.JID]types.JID, error) {
	own := make([]types.JID, len(pns))
	for i, pn := range pns {
		own[i] = l.in(pn)
	}
	found, err := l.inner.GetManyLIDsForPNs(ctx, own)
	result := make(map[types.JID]types.JID, len(found))
	for pn, lid := range found {
		result[l.out(pn)] = l.out(lid)
	}
	return result, err
}

// other returns the same person or chat under the other kind of address; empty when it is not known.
func (l *lids) other(ctx context.Context, jid types.JID) (types.JID, error) {
	switch jid.Server {
	case types.HiddenUserServer:
		return l.GetPNForLID(ctx, jid.ToNonAD())
	case types.DefaultUserServer:
		return l.GetLIDForPN(ctx, jid.ToNonAD())
	}
	return types.EmptyJID, nil
}

// secrets finds a message's secret under either address of chat and sender. whatsmeow's statement looks into the shared
// table of pairs for that, where it does not find ours.
type secrets struct {
	wastore.MsgSecretStore
	lids *lids
}

func (s *secrets) GetMessageSecret(
	ctx context.Context, chat, sender types.JID, id types.MessageID,
) ([]byte, types.JID, error) {
	secret, author, err := s.MsgSecretStore.GetMessageSecret(ctx, chat, sender, id)
	if err != nil || secret != nil {
		return secret, author, err
	}
	otherChat, err := s.lids.other(ctx, chat)
	if err != nil {
		return nil, types.EmptyJID, err
	}
	otherSender, err := s.lids.other(ctx, sender)
	if err != nil {
		return nil, types.EmptyJID, err
	}
	for _, try := range [][2]types.JID{{otherChat, otherSender}, {chat, otherSender}, {otherChat, sender}} {
		if try[0].IsEmpty() || try[1].IsEmpty() {
			continue
		}
		if secret, author, err = s.MsgSecretStore.GetMessageSecret(ctx, try[0], try[1], id); err != nil || secret != nil {
			return secret, author, err
		}
	}
	return nil, types.EmptyJID, nil
}

// privacyTokens finds the newest token of a person under either address, for the same reason.
type privacyTokens struct {
	wastore.PrivacyTokenStore
	lids *lids
}

func (p *privacyTokens) GetPrivacyToken(ctx context.Context, user types.JID) (*wastore.PrivacyToken, error) {
	token, err := p.PrivacyTokenStore.GetPrivacyToken(ctx, user)
	if err != nil {
		return nil, err
	}
	other, err := p.lids.other(ctx, user)
	if err != nil || other.IsEmpty() {
		return token, err
	}
	second, err := p.PrivacyTokenStore.GetPrivacyToken(ctx, other)
	if err != nil {
		return nil, err
	}
	if token == nil || (second != nil && second.Timestamp.After(token.Timestamp)) {
		token = second
	}
	if token != nil {
		token.User = user.ToNonAD()
	}
	return token, nil
}
