package session

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"github.com/blazz/blazz/engine-host/internal/failpoint"
	"github.com/blazz/blazz/engine-host/internal/media"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const (
	defaultSendTimeout = 30 * time.Second
	maxSendTimeout     = 120 * time.Second
	maxMessageID       = 128
	maxBatch           = 100 // receipts and phone numbers in one call
	logOutTimeout      = 15 * time.Second
)

// departure is a send in progress.
type departure struct {
	left   atomic.Bool // the stanza was handed to the socket
	cancel context.CancelFunc
}

// usable checks everything that must hold before a stanza is built.
func (s *Session) usable() error {
	if err := s.m.cfg.Guard.Allow(); err != nil {
		return queryError(err)
	}
	if !s.linked() {
		return notLinked()
	}
	if !s.up.Load() || !s.client.IsConnected() {
		return notConnected("session " + s.id)
	}
	return nil
}

func parseJID(text string) (types.JID, error) {
	parsed, err := types.ParseJID(text)
	if err != nil || parsed.User == "" || parsed.Server == "" || !strings.Contains(text, "@") {
		return types.EmptyJID, invalid("JID %q", text)
	}
	return parsed, nil
}

// Send sends one message under the caller's id. The caller's deadline cannot cut between the ratchet's step and the write
// to the socket: the send goes on without it, for at most twice the time-out.
func (s *Session) Send(ctx context.Context, q *pb.SendRequest) (*pb.SendReply, error) {
	to, err := parseJID(q.To)
	if err != nil {
		return nil, err
	}
	if q.MessageId == "" || len(q.MessageId) > maxMessageID {
		return nil, invalid("message id")
	}
	content := &waE2E.Message{}
	if err = proto.Unmarshal(q.Message, content); err != nil {
		return nil, invalid("message: %v", err)
	}
	if len(q.Message) == 0 {
		return nil, invalid("message is empty")
	}
	if err = s.usable(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	d := &departure{cancel: cancel}
	s.mu.Lock()
	if s.leaving[q.MessageId] != nil {
		s.mu.Unlock()
		return nil, status.Error(codes.Aborted, "unknown_outcome: an earlier call still sends this id")
	}
	s.leaving[q.MessageId] = d
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.leaving, q.MessageId)
		s.mu.Unlock()
	}()
	timeout := defaultSendTimeout
	if given := q.Options.GetTimeoutS(); given > 0 {
		timeout = min(maxSendTimeout, time.Duration(given*float64(time.Second)))
	}
	// whatsmeow bounds only the wait for the answer; what comes before (devices, prekeys) gets the same time.
	preparing := time.AfterFunc(timeout, func() {
		if !d.left.Load() {
			cancel()
		}
	})
	defer preparing.Stop()
	sent, err := s.client.SendMessage(ctx, to, content, whatsmeow.SendRequestExtra{
		ID: q.MessageId, Timeout: timeout, MediaHandle: q.Options.GetMediaHandle(), Peer: q.Options.GetPeer(),
	})
	if err != nil {
		return nil, sendError(err, d.left.Load())
	}
	if err = s.m.cfg.Fail.Hit(failpoint.SendAfterAck); err != nil {
		return nil, sendError(err, true)
	}
	return &pb.SendReply{ServerTimestampMs: millis(sent.Timestamp), Sender: jid(sent.Sender)}, nil
}

// MarkRead sends read or played receipts.
func (s *Session) MarkRead(ctx context.Context, q *pb.MarkReadRequest) error {
	chat, err := parseJID(q.Chat)
	if err != nil {
		return err
	}
	var sender types.JID
	if q.Sender != "" {
		if sender, err = parseJID(q.Sender); err != nil {
			return err
		}
	}
	if n := len(q.MessageIds); n == 0 || n > maxBatch {
		return invalid("1 to %d message ids", maxBatch)
	}
	if err = s.usable(); err != nil {
		return err
	}
	kind := types.ReceiptTypeRead
	if q.Played {
		kind = types.ReceiptTypePlayed
	}
	at := time.Now()
	if q.TimestampMs > 0 {
		at = time.UnixMilli(q.TimestampMs)
	}
	return queryError(s.client.MarkRead(ctx, q.MessageIds, at, chat, sender, kind))
}

// SendChatPresence shows or ends "typing" or "recording" in one chat.
func (s *Session) SendChatPresence(ctx context.Context, q *pb.SendChatPresenceRequest) error {
	chat, err := parseJID(q.Chat)
	if err != nil {
		return err
	}
	if err = s.usable(); err != nil {
		return err
	}
	state, kind := types.ChatPresencePaused, types.ChatPresenceMediaText
	if q.Composing {
		state = types.ChatPresenceComposing
	}
	if q.Audio {
		kind = types.ChatPresenceMediaAudio
	}
	return queryError(s.client.SendChatPresence(ctx, chat, state, kind))
}

// SendPresence sets the own availability. It is never set unasked.
func (s *Session) SendPresence(ctx context.Context, available bool) error {
	if err := s.usable(); err != nil {
		return err
	}
	state := types.PresenceUnavailable
	if available {
		state = types.PresenceAvailable
	}
	return queryError(s.client.SendPresence(ctx, state))
}

// SubscribePresence asks for the presence of one user.
func (s *Session) SubscribePresence(ctx context.Context, of string) error {
	target, err := parseJID(of)
	if err != nil {
		return err
	}
	if err = s.usable(); err != nil {
		return err
	}
	return queryError(s.client.SubscribePresence(ctx, target))
}

// Upload encrypts and uploads a file of the media directory.
func (s *Session) Upload(ctx context.Context, q *pb.UploadRequest) (*pb.UploadReply, error) {
	if _, err := media.Type(q.Type); err != nil {
		return nil, mediaError(err)
	}
	if err := s.usable(); err != nil {
		return nil, err
	}
	up, err := s.m.cfg.Media.Upload(ctx, s.client, q.Path, q.Type)
	if err != nil {
		return nil, mediaError(err)
	}
	return &pb.UploadReply{
		Url: up.URL, DirectPath: up.DirectPath, Handle: up.Handle, MediaKey: up.MediaKey,
		FileEncSha256: up.FileEncSHA256, FileSha256: up.FileSHA256, FileLength: up.FileLength,
	}, nil
}

// Download fetches and decrypts into a new file of the media directory.
func (s *Session) Download(ctx context.Context, q *pb.DownloadRequest) (*pb.DownloadReply, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	length, err := s.m.cfg.Media.Download(ctx, s.client, q.Path, media.Source{
		DirectPath: q.DirectPath, MediaKey: q.MediaKey, FileEncSHA256: q.FileEncSha256, FileSHA256: q.FileSha256,
		Type: q.Type, MaxBytes: q.MaxBytes,
	})
	if err != nil {
		return nil, mediaError(err)
	}
	return &pb.DownloadReply{FileLength: length}, nil
}

// IsOnWhatsApp looks up phone numbers.
func (s *Session) IsOnWhatsApp(ctx context.Context, phones []string) ([]*pb.OnWhatsApp, error) {
	if n := len(phones); n == 0 || n > maxBatch {
		return nil, invalid("1 to %d phone numbers", maxBatch)
	}
	queries := make([]string, len(phones))
	for i, phone := range phones {
		if phone == "" || strings.Trim(phone, "0123456789") != "" {
			return nil, invalid("phone %q holds more than digits", phone)
		}
		queries[i] = "+" + phone
	}
	if err := s.usable(); err != nil {
		return nil, err
	}
	found, err := s.client.IsOnWhatsApp(ctx, queries)
	if err != nil {
		return nil, queryError(err)
	}
	var list []*pb.OnWhatsApp
	for _, user := range found {
		entry := &pb.OnWhatsApp{Query: strings.TrimPrefix(user.Query, "+"), Registered: user.IsIn, Jid: jid(user.PhoneNumber)}
		if user.JID.Server == types.HiddenUserServer {
			entry.Lid = jid(user.JID)
		} else if entry.Jid == "" {
			entry.Jid = jid(user.JID)
		}
		list = append(list, entry)
	}
	return list, nil
}

// logOut removes the pairing at WhatsApp, sets the store aside and ends the session.
func (s *Session) logOut(ctx context.Context) error {
	if s.linked() {
		if err := s.usable(); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logOutTimeout)
		defer cancel()
		err := s.client.Logout(ctx)
		var dropped *whatsmeow.DisconnectedError
		// The server closes the stream together with its answer; what it did shows in the store's mark or at the next login.
		if err != nil && !(errors.As(err, &dropped) && s.store.Removed()) {
			return queryError(err)
		}
	}
	s.store.Remove()
	s.stop("logged out by the caller", pb.SessionState_SESSION_STATE_STOPPED)
	return nil
}
