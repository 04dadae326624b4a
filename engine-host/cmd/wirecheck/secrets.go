package main

import (
	"context"
	"encoding/json"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	waLog "go.mau.fi/whatsmeow/util/log"
	"google.golang.org/protobuf/proto"
)

// patches of one collection of app state, under one key. Snapshot is optional.
type patches struct {
	Name       appstate.WAPatchName
	KeyID, Key []byte
	Snapshot   []byte
	Patches    [][]byte
	// for encoding: the version that the patch leads on from, its hash, and what it does
	Version  uint64
	Hash     []byte
	PushName string
	Pin      *types.JID
	Pinned   bool
}

func (d *device) processor(ctx context.Context, p patches) (*appstate.Processor, error) {
	key := store.AppStateSyncKey{Data: p.Key, Fingerprint: []byte{}, Timestamp: 1}
	if err := d.store.AppStateKeys.PutAppStateSyncKey(ctx, p.KeyID, key); err != nil {
		return nil, err
	}
	return appstate.NewProcessor(d.store, waLog.Noop), nil
}

func (d *device) encodePatch(ctx context.Context, p patches) (any, error) {
	processor, err := d.processor(ctx, p)
	if err != nil {
		return nil, err
	}
	state := appstate.HashState{Version: p.Version}
	copy(state.Hash[:], p.Hash)
	info := appstate.BuildSettingPushName(p.PushName)
	if p.Pin != nil {
		info = appstate.BuildPin(*p.Pin, p.Pinned)
	}
	return processor.EncodePatch(ctx, p.KeyID, state, info)
}

// decodePatches checks every MAC and returns the mutations with the resulting version and hash.
func (d *device) decodePatches(ctx context.Context, p patches) (any, error) {
	processor, err := d.processor(ctx, p)
	if err != nil {
		return nil, err
	}
	list := &appstate.PatchList{Name: p.Name}
	if p.Snapshot != nil {
		list.Snapshot = &waServerSync.SyncdSnapshot{}
		if err = proto.Unmarshal(p.Snapshot, list.Snapshot); err != nil {
			return nil, err
		}
	}
	for _, raw := range p.Patches {
		patch := &waServerSync.SyncdPatch{}
		if err = proto.Unmarshal(raw, patch); err != nil {
			return nil, err
		}
		list.Patches = append(list.Patches, patch)
	}
	if err = d.store.AppState.DeleteAppStateVersion(ctx, string(p.Name)); err != nil {
		return nil, err
	}
	mutations, state, err := processor.DecodePatches(ctx, list, appstate.HashState{}, true)
	if err != nil {
		return nil, err
	}
	type mutation struct {
		Operation string
		Index     []string
		Action    json.RawMessage
	}
	shown := make([]mutation, len(mutations))
	for i, m := range mutations {
		action, err := json.Marshal(m.Action)
		if err != nil {
			return nil, err
		}
		shown[i] = mutation{m.Operation.String(), m.Index, action}
	}
	return map[string]any{"mutations": shown, "version": state.Version, "hash": state.Hash[:]}, nil
}

// vote in a poll: Chat, Author and ID name the poll, Voter the one who votes.
type vote struct {
	Chat, Author, Voter types.JID
	ID                  string
	Secret, Data, IV    []byte
	Options             [][]byte
}

func (d *device) rememberPoll(ctx context.Context, v vote) (any, error) {
	return true, d.store.MsgSecrets.PutMessageSecret(ctx, v.Chat, v.Author, v.ID, v.Secret)
}

// encryptVote votes as the device itself.
func (d *device) encryptVote(ctx context.Context, v vote) (any, error) {
	info := &types.MessageInfo{
		MessageSource: types.MessageSource{Chat: v.Chat, Sender: v.Author, IsFromMe: false}, ID: v.ID,
	}
	update, err := d.client.EncryptPollVote(ctx, info, &waE2E.PollVoteMessage{SelectedOptions: v.Options})
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"data": update.GetVote().GetEncPayload(), "iv": update.GetVote().GetEncIV(), "voter": d.store.LID.ToNonAD().String(),
	}, nil
}

// decryptVote reads a vote of Voter; the poll's author is named by the key, as in a chat of two.
func (d *device) decryptVote(ctx context.Context, v vote) (any, error) {
	message := &events.Message{
		Info: types.MessageInfo{MessageSource: types.MessageSource{Chat: v.Chat, Sender: v.Voter}},
		Message: &waE2E.Message{PollUpdateMessage: &waE2E.PollUpdateMessage{
			PollCreationMessageKey: &waCommon.MessageKey{
				RemoteJID: proto.String(v.Author.String()), FromMe: proto.Bool(false), ID: proto.String(v.ID),
			},
			Vote: &waE2E.PollEncValue{EncPayload: v.Data, EncIV: v.IV},
		}},
	}
	read, err := d.client.DecryptPollVote(ctx, message)
	if err != nil {
		return nil, err
	}
	return read.GetSelectedOptions(), nil
}
