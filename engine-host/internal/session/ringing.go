package session

import (
	"context"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"go.mau.fi/whatsmeow/types"
	waevents "go.mau.fi/whatsmeow/types/events"
)

// maxCallID bounds what a caller of the contract may give.
const maxCallID = 128

// onCall tells what happens to a call, and waits until it is stored. It returns false for what concerns no call.
func (s *Session) onCall(event any) bool {
	call := callOf(event)
	if call == nil {
		return false
	}
	body := s.event()
	body.Body = &pb.Event_Call{Call: call}
	if !s.deliver(body) {
		// The library confirms calls whatever the handler says, but not on a connection that is cut.
		s.cutConn()
	}
	return true
}

func callOf(event any) *pb.Call {
	switch e := event.(type) {
	case *waevents.CallOffer:
		call := basicCall(&e.BasicCallMeta, pb.CallStage_CALL_STAGE_OFFERED)
		if e.Data != nil {
			_, call.Video = e.Data.GetOptionalChildByTag("video")
		}
		return call
	case *waevents.CallOfferNotice:
		call := basicCall(&e.BasicCallMeta, pb.CallStage_CALL_STAGE_OFFERED)
		call.Video = e.Media == "video"
		return call
	case *waevents.CallAccept:
		return basicCall(&e.BasicCallMeta, pb.CallStage_CALL_STAGE_ACCEPTED)
	case *waevents.CallReject:
		return basicCall(&e.BasicCallMeta, pb.CallStage_CALL_STAGE_REJECTED)
	case *waevents.CallTerminate:
		call := basicCall(&e.BasicCallMeta, pb.CallStage_CALL_STAGE_TERMINATED)
		call.Reason = e.Reason
		return call
	}
	return nil
}

func basicCall(meta *types.BasicCallMeta, stage pb.CallStage) *pb.Call {
	caller := meta.CallCreator
	if caller.IsEmpty() {
		caller = meta.From
	}
	return &pb.Call{
		Id: meta.CallID, Stage: stage, Caller: jid(caller), CallerAlt: jid(meta.CallCreatorAlt), Group: jid(meta.GroupJID),
		TimestampMs: millis(meta.Timestamp),
	}
}

// RejectCall declines a call.
func (s *Session) RejectCall(ctx context.Context, q *pb.RejectCallRequest) error {
	from, err := parseJID(q.Caller)
	if err != nil {
		return err
	}
	if q.CallId == "" || len(q.CallId) > maxCallID {
		return invalid("call id")
	}
	if err = s.usable(); err != nil {
		return err
	}
	return queryError(s.client.RejectCall(ctx, from, q.CallId))
}
