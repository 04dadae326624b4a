package session

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waSyncAction"
	waevents "go.mau.fi/whatsmeow/types/events"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const (
	maxMutations = 50
	maxIndex     = 16 // parts of one index
	// stateQuiet is how long no change of a collection may come before its version counts as sent: whatsmeow stores a
	// patch's version first and reports its changes right after, without a pause.
	stateQuiet = 300 * time.Millisecond
)

// indexCollections says where each kind of setting lives that anybody reads.
var indexCollections = map[string]appstate.WAPatchName{
	appstate.IndexSettingPushName: appstate.WAPatchCriticalBlock, appstate.IndexContact: appstate.WAPatchCriticalUnblockLow,
	appstate.IndexMute: appstate.WAPatchRegularHigh, appstate.IndexStar: appstate.WAPatchRegularHigh,
	appstate.IndexDeleteChat: appstate.WAPatchRegularHigh, appstate.IndexClearChat: appstate.WAPatchRegularHigh,
	appstate.IndexDeleteMessageForMe: appstate.WAPatchRegularHigh, appstate.IndexPin: appstate.WAPatchRegularLow,
	appstate.IndexArchive: appstate.WAPatchRegularLow, appstate.IndexMarkChatAsRead: appstate.WAPatchRegularLow,
	appstate.IndexLabelEdit: appstate.WAPatchRegular, appstate.IndexLabelAssociationChat: appstate.WAPatchRegular,
	appstate.IndexLabelAssociationMessage: appstate.WAPatchRegular,
}

// stateReports waits for a pause in a collection's changes before it reports how far they go.
type stateReports struct {
	mu     sync.Mutex
	timers map[appstate.WAPatchName]*time.Timer
}

// onStateChange hands on one changed setting, kept until it is stored; a newer value takes an older one's place.
func (s *Session) onStateChange(e *waevents.AppState) {
	if len(e.Index) == 0 || len(e.Index) > maxIndex || e.SyncActionValue == nil {
		return
	}
	collection, known := indexCollections[e.Index[0]]
	if !known { // nobody reads it, but some collection has another version now
		for _, name := range appstate.AllPatchNames {
			s.stateChanged(name)
		}
		return
	}
	value, err := proto.Marshal(e.SyncActionValue)
	if err != nil || len(value) > maxOther {
		return
	}
	event := s.event()
	event.Body = &pb.Event_StateChange{StateChange: &pb.StateChange{
		Collection: string(collection), Index: e.Index, Value: value,
	}}
	s.m.cfg.Hub.Keep(event, "state "+strings.Join(e.Index, "\x00"))
	s.stateChanged(collection)
}

func (s *Session) stateChanged(collection appstate.WAPatchName) {
	s.states.mu.Lock()
	defer s.states.mu.Unlock()
	if s.states.timers == nil {
		s.states.timers = map[appstate.WAPatchName]*time.Timer{}
	}
	if timer := s.states.timers[collection]; timer != nil {
		timer.Reset(stateQuiet)
		return
	}
	s.states.timers[collection] = time.AfterFunc(stateQuiet, func() { s.reportStateVersion(collection) })
}

func (s *Session) reportStateVersion(collection appstate.WAPatchName) {
	if s.ctx.Err() != nil {
		return
	}
	version, _, err := s.device.AppState.GetAppStateVersion(s.ctx, string(collection))
	if err != nil || version == 0 {
		return
	}
	event := s.event()
	event.Body = &pb.Event_StateSynced{StateSynced: &pb.StateSynced{Collection: string(collection), Version: version}}
	s.m.cfg.Hub.Keep(event, "state version "+string(collection))
}

// ApplyState writes settings that all devices share.
func (s *Session) ApplyState(ctx context.Context, q *pb.ApplyStateRequest) (*pb.ApplyStateReply, error) {
	collection := appstate.WAPatchName(q.Collection)
	if !isCollection(collection) {
		return nil, invalid("collection %q", q.Collection)
	}
	if n := len(q.Mutations); n == 0 || n > maxMutations {
		return nil, invalid("1 to %d mutations", maxMutations)
	}
	patch := appstate.PatchInfo{Type: collection}
	for _, mutation := range q.Mutations {
		value := &waSyncAction.SyncActionValue{}
		if len(mutation.Index) == 0 || len(mutation.Index) > maxIndex {
			return nil, invalid("index")
		}
		if err := proto.Unmarshal(mutation.Value, value); err != nil {
			return nil, invalid("value: %v", err)
		}
		patch.Mutations = append(patch.Mutations, appstate.MutationInfo{
			Index: mutation.Index, Version: mutation.Version, Value: value,
		})
	}
	if err := s.usable(); err != nil {
		return nil, err
	}
	// A patch that was accepted must be read back, or the next one would conflict: it does not end with the caller.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), defaultSendTimeout)
	defer cancel()
	s.applying.Lock()
	defer s.applying.Unlock()
	if err := s.client.SendAppState(ctx, patch); err != nil {
		return nil, stateError(err)
	}
	version, _, err := s.device.AppState.GetAppStateVersion(ctx, q.Collection)
	if err != nil {
		return nil, queryError(err)
	}
	return &pb.ApplyStateReply{Version: version}, nil
}

func stateError(err error) error {
	switch {
	case errors.Is(err, whatsmeow.ErrAppStateUpdate):
		return status.Errorf(codes.Aborted, "conflict: another device was faster")
	case strings.Contains(err.Error(), "no app state keys found"):
		return status.Error(codes.FailedPrecondition, "no_state_keys: the phone has not given its keys yet")
	}
	return queryError(err)
}

// SyncState reads collections anew whose version is not the one that the caller has seen.
func (s *Session) SyncState(ctx context.Context, q *pb.SyncStateRequest) (*pb.SyncStateReply, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	seen := map[appstate.WAPatchName]uint64{}
	for _, one := range q.Seen {
		seen[appstate.WAPatchName(one.Collection)] = one.Version
	}
	reply := &pb.SyncStateReply{}
	for _, collection := range appstate.AllPatchNames {
		version, _, err := s.device.AppState.GetAppStateVersion(ctx, string(collection))
		if err != nil {
			return nil, queryError(err)
		}
		if version == 0 || version == seen[collection] {
			continue // never read (the phone's keys start that), or nothing missed
		}
		s.applying.Lock()
		err = s.client.FetchAppState(ctx, collection, true, false)
		s.applying.Unlock()
		if err != nil {
			return nil, stateError(err)
		}
		s.stateChanged(collection)
		reply.Collections = append(reply.Collections, string(collection))
	}
	return reply, nil
}

func isCollection(name appstate.WAPatchName) bool {
	for _, known := range appstate.AllPatchNames {
		if known == name {
			return true
		}
	}
	return false
}
