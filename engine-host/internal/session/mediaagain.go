package session

import (
	"context"
	"errors"
	"sync"
	"time"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waMmsRetry"
	"go.mau.fi/whatsmeow/types"
	waevents "go.mau.fi/whatsmeow/types/events"
)

const (
	phoneAnswers   = 20 * time.Second // how long a phone that is online may take to upload a file again
	maxLateAnswers = 256              // answers kept for later calls, per session
)

// mediaAnswers hands the phone's answers to the calls that wait for them, and keeps those that come late. The zero value
// is ready for use.
type mediaAnswers struct {
	mu      sync.Mutex
	waiting map[types.MessageID]chan *waevents.MediaRetry
	late    map[types.MessageID]*waevents.MediaRetry
}

// put takes an answer. A message that nobody asked about costs no more than one place among the late ones.
func (a *mediaAnswers) put(answer *waevents.MediaRetry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if waiter := a.waiting[answer.MessageID]; waiter != nil {
		delete(a.waiting, answer.MessageID)
		waiter <- answer
		return
	}
	if a.late == nil {
		a.late = map[types.MessageID]*waevents.MediaRetry{}
	}
	if len(a.late) >= maxLateAnswers {
		for id := range a.late {
			delete(a.late, id)
			break
		}
	}
	a.late[answer.MessageID] = answer
}

// take returns a late answer, or a place to wait at. It is nil when another call waits already.
func (a *mediaAnswers) take(id types.MessageID) (*waevents.MediaRetry, chan *waevents.MediaRetry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if answer := a.late[id]; answer != nil {
		delete(a.late, id)
		return answer, nil
	}
	if a.waiting[id] != nil {
		return nil, nil
	}
	if a.waiting == nil {
		a.waiting = map[types.MessageID]chan *waevents.MediaRetry{}
	}
	waiter := make(chan *waevents.MediaRetry, 1)
	a.waiting[id] = waiter
	return nil, waiter
}

func (a *mediaAnswers) forget(id types.MessageID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiting, id)
}

// RequestMediaAgain asks the own phone to upload a file again.
func (s *Session) RequestMediaAgain(ctx context.Context, q *pb.RequestAgainRequest) (*pb.RequestAgainReply, error) {
	chat, err := parseJID(q.Chat)
	if err != nil {
		return nil, err
	}
	source := types.MessageSource{Chat: chat, Sender: chat, IsFromMe: q.FromMe, IsGroup: chat.Server == types.GroupServer}
	if q.Sender != "" {
		if source.Sender, err = parseJID(q.Sender); err != nil {
			return nil, err
		}
	}
	if q.MessageId == "" || len(q.MessageId) > maxMessageID {
		return nil, invalid("message id")
	}
	if len(q.MediaKey) == 0 {
		return nil, invalid("media key")
	}
	if err = s.usable(); err != nil {
		return nil, err
	}
	answer, waiter := s.mediaAnswers.take(q.MessageId)
	if answer != nil {
		return readAnswer(answer, q.MediaKey), nil
	}
	if waiter == nil {
		return &pb.RequestAgainReply{Answer: pb.MediaAnswer_MEDIA_ANSWER_NONE}, nil
	}
	defer s.mediaAnswers.forget(q.MessageId)
	info := &types.MessageInfo{MessageSource: source, ID: q.MessageId}
	if err = s.client.SendMediaRetryReceipt(ctx, info, q.MediaKey); err != nil {
		return nil, queryError(err)
	}
	timeout := time.NewTimer(phoneAnswers)
	defer timeout.Stop()
	select {
	case answer = <-waiter:
		return readAnswer(answer, q.MediaKey), nil
	case <-ctx.Done():
	case <-timeout.C:
	}
	return &pb.RequestAgainReply{Answer: pb.MediaAnswer_MEDIA_ANSWER_NONE}, nil
}

func readAnswer(answer *waevents.MediaRetry, mediaKey []byte) *pb.RequestAgainReply {
	read, err := whatsmeow.DecryptMediaRetryNotification(answer, mediaKey)
	switch {
	case errors.Is(err, whatsmeow.ErrMediaNotAvailableOnPhone), read.GetResult() == waMmsRetry.MediaRetryNotification_NOT_FOUND:
		return &pb.RequestAgainReply{Answer: pb.MediaAnswer_MEDIA_ANSWER_NOT_FOUND}
	case err == nil && read.GetResult() == waMmsRetry.MediaRetryNotification_SUCCESS && read.GetDirectPath() != "":
		return &pb.RequestAgainReply{Answer: pb.MediaAnswer_MEDIA_ANSWER_UPLOADED, DirectPath: read.GetDirectPath()}
	}
	return &pb.RequestAgainReply{Answer: pb.MediaAnswer_MEDIA_ANSWER_FAILED}
}
