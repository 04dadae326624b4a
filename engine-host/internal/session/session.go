package session

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"github.com/blazz/blazz/engine-host/internal/store"
	"github.com/blazz/blazz/engine-host/internal/walog"
	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waWa6"
	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Session is one WhatsApp identity, or one that waits to be linked, under one epoch.
type Session struct {
	id    string
	epoch uint64
	useQR bool

	m      *Manager
	log    *slog.Logger
	client *whatsmeow.Client
	store  openStore
	device *wastore.Device
	shared bool // another owner may take the store: it is asked before every connection
	mail   *mailbox

	ctx    context.Context // the session's life
	cancel context.CancelFunc
	done   chan struct{} // closed when the store is closed

	up       atomic.Bool  // logged in and active
	offline  atomic.Bool  // the server is delivering what was missed
	version  atomic.Value // store.WAVersionContainer of the last login
	states   stateReports
	applying sync.Mutex // one writer of app state at a time: the next patch needs the version of the last

	mediaAnswers mediaAnswers // of the phone, about lost files

	dialing bool        // a connection was still being opened when the session ended; of the loop alone
	suspect atomic.Bool // the storage failed: it must prove itself before the next connection

	mu        sync.Mutex
	who       identity
	conn      context.Context // the present connection; never nil
	dropConn  context.CancelFunc
	ready     chan struct{}      // closed and renewed when the server begins to wait for a pairing
	pairable  bool               // the server waits for a pairing
	stopQR    context.CancelFunc // ends what has a time while linking: codes shown, a passkey
	passkey   passkeyState
	pairUntil time.Time
	pairOver  bool          // the time for linking is over
	pairing   chan struct{} // not nil while the library completes a pairing; closed at its end
	tied      ceremony
	arriving  map[string]*waBinary.Node // messages of the present connection that are not confirmed yet
	placed    map[string]struct{}       // those of them that were stored as unreadable
	held      map[string]struct{}       // chats of which a message was not stored on the present connection
	failures  int                       // deliveries not stored in a row
	failedAt  time.Time
	code      int32 // WhatsApp's numeric reason for the coming disconnection
	stopping  bool
	stopState pb.SessionState
	stopText  string
	leaving   map[string]*departure // sends in progress, by message id
}

// identity is who the session speaks for, kept apart from whatsmeow's device, which forgets it on a log-out.
type identity struct{ jid, lid, pushName, businessName, platform string }

// open creates the session without connecting it.
func (m *Manager) open(ctx context.Context, q *pb.StartSessionRequest) (*Session, error) {
	s := &Session{
		id: q.SessionId, epoch: q.Epoch, useQR: q.UseQr, m: m,
		log: m.cfg.Log.With("session", q.SessionId), mail: newMailbox(), done: make(chan struct{}),
		ready: make(chan struct{}), leaving: map[string]*departure{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.conn, s.dropConn = context.WithCancel(s.ctx)
	logger := walog.New(s.log, &walog.Hooks{Outgoing: s.outgoing, Incoming: s.incoming, Panicked: s.libraryPanicked, Warning: s.warned})
	opened, err := m.cfg.Stores(context.WithoutCancel(ctx), logger.Sub("Store"), store.Request{
		SessionID: q.SessionId, Path: q.StorePath, Epoch: q.Epoch, PreviousOwnerGone: q.PreviousOwnerGone, MustExist: q.ExpectLinked,
		OnFailure: s.storeFailed,
	})
	if err != nil {
		s.cancel()
		return nil, storeError(err)
	}
	s.store, s.device, s.shared = opened.store, opened.device, opened.shared
	if q.ExpectLinked && s.device.ID == nil {
		s.cancel()
		if err = s.store.Close(); err != nil {
			s.log.Warn("close store", "error", err)
		}
		return nil, status.Error(codes.FailedPrecondition, "store_missing: the store holds no identity")
	}
	s.client = s.newClient(logger)
	m.cfg.Crash.Session(s.id, unsafe.Pointer(s), unsafe.Pointer(s.client))
	s.remember()
	return s, nil
}

func (s *Session) newClient(logger *walog.Logger) *whatsmeow.Client {
	client := whatsmeow.NewClient(s.device, logger)
	client.SynchronousAck = true
	client.EnableDecryptedEventBuffer = true
	client.UseRetryMessageStore = true
	client.EnableAutoReconnect = false
	client.DisableLoginAutoReconnect = true
	client.ManualHistorySyncDownload = true
	client.DisableManualHistorySyncReceipt = true // the phone hears of it when the history is stored
	client.EmitAppStateEventsOnFullSync = true
	client.BackgroundEventCtx = s.ctx
	client.SetWebsocketHTTPClient(s.m.cfg.Network.Client)
	client.SetMediaHTTPClient(s.m.cfg.Network.Client)
	client.SetPreLoginHTTPClient(s.m.cfg.Network.Client)
	client.GetClientPayload = func() *waWa6.ClientPayload {
		payload, version := s.m.cfg.Version.Payload(s.device)
		s.version.Store(version)
		return payload
	}
	client.PrePairCallback = func(types.JID, string, string) bool { return s.pairingBegins() }
	client.AddEventHandlerWithSuccessStatus(s.handle)
	return client
}

// remember copies the identity out of the device.
func (s *Session) remember() {
	device := s.device
	if device.ID == nil {
		return
	}
	s.mu.Lock()
	s.who = identity{
		jid: device.GetJID().String(), lid: device.GetLID().String(), pushName: device.PushName,
		businessName: device.BusinessName, platform: device.Platform,
	}
	if device.LID.IsEmpty() {
		s.who.lid = ""
	}
	s.mu.Unlock()
}

// Identity returns whether the session is linked, and as whom.
func (s *Session) Identity() (linked bool, jid, lid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.who.jid != "", s.who.jid, s.who.lid
}

func (s *Session) linked() bool {
	linked, _, _ := s.Identity()
	return linked
}

func (s *Session) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return s.ctx.Err() != nil
	}
}

// connContext returns the context of the present connection.
func (s *Session) connContext() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn
}

// cutConn cancels the present connection's context at once: what whatsmeow is handling stays unconfirmed.
func (s *Session) cutConn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropConn()
}

// stop ends the session and waits until its store is closed. A pairing that is being completed is completed first. A state
// other than UNSPECIFIED is reported.
func (s *Session) stop(detail string, state pb.SessionState) {
	s.mu.Lock()
	if !s.stopping {
		s.stopping, s.stopState, s.stopText = true, state, detail
	}
	s.mu.Unlock()
	s.awaitPairing(stopGrace)
	s.cancel()
	<-s.done
}

// finish runs once, at the end of the loop.
func (s *Session) finish() {
	s.up.Store(false)
	s.disconnect()
	s.cancel()
	s.mu.Lock()
	s.dropConn()
	report, text := s.stopState, s.stopText
	s.mu.Unlock()
	if err := s.store.Close(); err != nil {
		s.log.Error("close store", "error", err)
	}
	if report != pb.SessionState_SESSION_STATE_UNSPECIFIED {
		s.report(&pb.State{State: report, Detail: text})
	}
	close(s.done)
}
