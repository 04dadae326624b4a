package session

import (
	"bytes"
	"context"
	"errors"
	"io"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"github.com/blazz/blazz/engine-host/internal/failpoint"
	"github.com/blazz/blazz/engine-host/internal/history"
	"github.com/blazz/blazz/engine-host/internal/media"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/types"
	waevents "go.mau.fi/whatsmeow/types/events"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const secretsAtOnce = 50 // conversations whose keys are stored in one transaction

// historyNotice returns the event that a phone's message stands for when it announces a blob of history, else nil.
func (s *Session) historyNotice(e *waevents.Message) *pb.Event {
	notice := e.RawMessage.GetProtocolMessage().GetHistorySyncNotification()
	if notice == nil || !e.Info.IsFromMe || e.Info.Sender.Device != 0 {
		return nil
	}
	serialised, err := proto.Marshal(notice)
	if err != nil {
		return nil
	}
	event := s.event()
	event.Body = &pb.Event_HistoryNotice{HistoryNotice: &pb.HistoryNotice{
		MessageId: e.Info.ID, Notification: serialised, SyncType: int32(notice.GetSyncType()),
		ChunkOrder: notice.GetChunkOrder(), Progress: notice.GetProgress(),
		RequestId: notice.GetPeerDataRequestSessionID(), TimestampMs: millis(e.Info.Timestamp),
	}}
	return event
}

func parseNotice(serialised []byte) (*waE2E.HistorySyncNotification, error) {
	notice := &waE2E.HistorySyncNotification{}
	if len(serialised) == 0 {
		return nil, invalid("no notification")
	}
	if err := proto.Unmarshal(serialised, notice); err != nil {
		return nil, invalid("notification: %v", err)
	}
	return notice, nil
}

// FetchHistory downloads a blob and hands its pieces to send, without the first q.Skip.
func (s *Session) FetchHistory(ctx context.Context, q *pb.FetchHistoryRequest, send func(*pb.HistoryPiece) error) error {
	notice, err := parseNotice(q.Notification)
	if err != nil {
		return err
	}
	if !s.linked() {
		return notLinked()
	}
	blob, closeBlob, err := s.openHistory(ctx, notice)
	if err != nil {
		return err
	}
	defer closeBlob()
	rest, err := history.ReadRest(blob)
	if err != nil {
		return historyError(err)
	}
	s.learnFromHistory(ctx, rest)
	var gathered []*waHistorySync.Conversation // whose keys of message secrets and privacy tokens are not stored yet
	learn := func() {
		if len(gathered) > 0 {
			//lint:ignore SA1019 whatsmeow has no other door for what it keeps of history
			s.client.DangerousInternals().StoreHistoricalMessageSecrets(ctx, gathered)
			gathered = nil
		}
	}
	cutter := history.NewCutter(int(q.Skip), func(piece *pb.HistoryPiece) error {
		learn()
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.m.cfg.Fail.Hit(failpoint.HistoryPiece); err != nil {
			return notConnected(err.Error())
		}
		return send(piece)
	})
	translator := history.Translator{Parse: s.client.ParseWebMessage, Alternative: func(of types.JID) types.JID {
		other, err := s.device.GetAltJID(ctx, of)
		if err != nil {
			return types.EmptyJID
		}
		return other
	}}
	if err = cutter.Rest(rest); err != nil {
		return err
	}
	if _, err = blob.Seek(0, io.SeekStart); err != nil {
		return historyError(err)
	}
	err = history.ReadConversations(blob, func(conversation *waHistorySync.Conversation) error {
		if gathered = append(gathered, conversation); len(gathered) >= secretsAtOnce {
			learn()
		}
		return cutter.Conversation(translator.Conversation(conversation))
	})
	if err == nil {
		err = cutter.Close()
	}
	return historyError(err)
}

// openHistory returns the compressed blob: what came with the notice, else a file without a name.
func (s *Session) openHistory(ctx context.Context, notice *waE2E.HistorySyncNotification) (io.ReadSeeker, func(), error) {
	if inline := notice.GetInitialHistBootstrapInlinePayload(); len(inline) > 0 {
		return bytes.NewReader(inline), func() {}, nil
	}
	if err := s.usable(); err != nil {
		return nil, nil, err
	}
	file, err := s.m.cfg.Media.Fetch(ctx, s.client, media.Source{
		DirectPath: notice.GetDirectPath(), MediaKey: notice.GetMediaKey(), FileEncSHA256: notice.GetFileEncSHA256(),
		FileSHA256: notice.GetFileSHA256(), Type: pb.MediaType_MEDIA_TYPE_HISTORY, MaxBytes: history.MaxCompressed,
	})
	if err != nil {
		return nil, nil, mediaError(err)
	}
	return file, func() { _ = file.Close() }, nil
}

// learnFromHistory gives whatsmeow what it needs of a blob: addresses, names, keys of privacy tokens.
func (s *Session) learnFromHistory(ctx context.Context, rest *waHistorySync.HistorySync) {
	//lint:ignore SA1019 whatsmeow has no other door for what it keeps of history
	internals := s.client.DangerousInternals()
	if salt := rest.GetNctSalt(); len(salt) > 0 {
		if err := internals.StoreNCTSalt(ctx, salt); err != nil {
			s.log.Warn("salt of history not stored", "error", err)
		}
	}
	if mappings := rest.GetPhoneNumberToLidMappings(); len(mappings) > 0 {
		internals.StoreHistoricalPNLIDMappings(ctx, mappings)
	}
	if names := rest.GetPushnames(); len(names) > 0 {
		internals.HandleHistoricalPushNames(ctx, names)
	}
	if rest.GlobalSettings != nil {
		internals.StoreGlobalSettings(ctx, rest.GlobalSettings)
	}
}

// FinishHistory tells the phone that a blob was taken in, and removes it from the media host.
func (s *Session) FinishHistory(ctx context.Context, q *pb.FinishHistoryRequest) error {
	notice, err := parseNotice(q.Notification)
	if err != nil {
		return err
	}
	if q.MessageId == "" || len(q.MessageId) > maxMessageID {
		return invalid("message id")
	}
	if err = s.usable(); err != nil {
		return err
	}
	if err = s.client.SendProtocolMessageReceipt(ctx, q.MessageId, types.ReceiptTypeHistorySync); err != nil {
		return queryError(err)
	}
	if notice.GetDirectPath() == "" {
		return nil
	}
	err = s.client.DeleteMedia(
		ctx, whatsmeow.MediaHistory, notice.GetDirectPath(), notice.GetFileEncSHA256(), notice.GetEncHandle(),
	)
	if err != nil { // it goes by itself after some days
		s.log.Warn("history not removed from the media host", "error", err)
	}
	return nil
}

func historyError(err error) error {
	if errors.Is(err, history.ErrDamaged) {
		return status.Errorf(codes.DataLoss, "invalid: %v", err)
	}
	return err
}
