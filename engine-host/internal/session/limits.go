package session

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	waBinary "go.mau.fi/whatsmeow/binary"
	waevents "go.mau.fi/whatsmeow/types/events"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// WhatsApp's number of the question for the time lock. It may change with their releases; the answer is a help, and
	// nothing depends on it.
	reachoutQuery   = "23983697327930364"
	reachoutTimeout = 10 * time.Second
	capOperation    = "MessageCappingInfoNotification"
	maxNotice       = 64 << 10
)

// seconds reads a time that WhatsApp writes as a number or as a text.
type seconds int64

// UnmarshalJSON implements json.Unmarshaler.
func (t *seconds) UnmarshalJSON(raw []byte) error {
	text := strings.Trim(string(raw), `"`)
	if text == "" || text == "null" {
		return nil
	}
	value, err := strconv.ParseInt(text, 10, 64)
	*t = seconds(value)
	return err
}

func (t seconds) millis() int64 { return int64(t) * 1000 }

func (s *Session) onTimelock(e *waevents.NotifyAccountReachoutTimelock) {
	event := s.event()
	event.Body = &pb.Event_ReachoutTimelock{ReachoutTimelock: &pb.ReachoutTimelock{
		Active: e.IsActive, EndsMs: millis(e.TimeEnforcementEnds.Time), Enforcement: e.EnforcementType,
	}}
	s.m.cfg.Hub.Keep(event, "timelock")
}

// incoming sees every node that arrives, before the library handles it. It remembers messages until they are confirmed,
// and picks up the one notice of limits that the library has no event for.
func (s *Session) incoming(node *waBinary.Node) {
	if node.Tag == "message" {
		s.arrives(node)
		return
	}
	if node.Tag != "notification" || node.Attrs["type"] != "mex" {
		return
	}
	for _, update := range node.GetChildrenByTag("update") {
		text, ok := update.Content.([]byte)
		if !ok || len(text) > maxNotice || update.Attrs["op_name"] != capOperation {
			continue
		}
		if notice := messageCap(text); notice != nil {
			event := s.event()
			event.Body = &pb.Event_MessageCap{MessageCap: notice}
			s.m.cfg.Hub.Keep(event, "cap")
		}
	}
}

func messageCap(text []byte) *pb.MessageCap {
	var notice struct {
		Data struct {
			Cap *struct {
				Status string  `json:"capping_status"`
				Used   int32   `json:"used_quota"`
				Total  int32   `json:"total_quota"`
				Ends   seconds `json:"cycle_end_timestamp"`
			} `json:"xwa2_notify_new_chat_messages_capping_info_update"`
		} `json:"data"`
	}
	if json.Unmarshal(text, &notice) != nil || notice.Data.Cap == nil {
		return nil
	}
	told := notice.Data.Cap
	return &pb.MessageCap{Status: told.Status, Used: told.Used, Total: told.Total, EndsMs: told.Ends.millis()}
}

// ReachoutTimelock asks WhatsApp whether the account may start new chats.
func (s *Session) ReachoutTimelock(ctx context.Context) (*pb.GetReachoutTimelockReply, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, reachoutTimeout)
	defer cancel()
	//lint:ignore SA1019 the library has no other way to ask WhatsApp a question of this kind
	raw, err := s.client.DangerousInternals().SendMexIQ(ctx, reachoutQuery, map[string]any{})
	if err != nil {
		return nil, notTold(err.Error())
	}
	var answer struct {
		Lock *struct {
			Active      bool    `json:"is_active"`
			Ends        seconds `json:"time_enforcement_ends"`
			Enforcement string  `json:"enforcement_type"`
		} `json:"xwa2_fetch_account_reachout_timelock"`
	}
	if err = json.Unmarshal(raw, &answer); err != nil || answer.Lock == nil {
		return nil, notTold("the answer cannot be read")
	}
	return &pb.GetReachoutTimelockReply{
		Active: answer.Lock.Active, EndsMs: answer.Lock.Ends.millis(), Enforcement: answer.Lock.Enforcement,
	}, nil
}

func notTold(why string) error { return status.Error(codes.Internal, "not_told: "+why) }
