package host

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/blazz/blazz/engine-host/internal/deadman"
	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"github.com/blazz/blazz/engine-host/internal/network"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// running is a host in this process, on a simulated network where nobody listens.
type running struct {
	t       *testing.T
	options Options
	client  pb.EngineClient
	stdin   *io.PipeWriter
	code    chan int
	events  chan *pb.Event
	stream  grpc.BidiStreamingClient[pb.EventAck, pb.EventBatch]
}

func options(t *testing.T) Options {
	t.Helper()
	dir := t.TempDir()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	address := server.Listener.Addr().String()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	server.Close() // the port refuses connections from now on
	ca, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "root.key")
	socketDir, err := os.MkdirTemp("", "engine") // short: socket paths are bounded
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(socketDir) })
	for path, content := range map[string][]byte{ca: certificate, key: make([]byte, 32)} {
		if err = os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Options{
		Socket: filepath.Join(socketDir, "engine.sock"), SessionsDir: filepath.Join(dir, "sessions"), MediaDir: filepath.Join(dir, "media"),
		Network:    network.Options{Kind: "simulated", Address: address, CAFile: ca, RootKeyFile: key, ID: "sim-test"},
		AckTimeout: 10 * time.Second, StartGrace: time.Minute, SessionStore: StoresInFiles, StoreSync: "NORMAL", StoreJournal: "wal",
		StoreLocks: "posix", StoreLimit: 2 * time.Second, StoreIdle: time.Second, DeviceName: "Blazz",
		Version: "test", Log: slog.New(slog.DiscardHandler),
	}
}

func start(t *testing.T, o Options) *running {
	t.Helper()
	stdin, keep := io.Pipe()
	output, stdout := io.Pipe()
	h := &running{t: t, options: o, stdin: keep, code: make(chan int, 1), events: make(chan *pb.Event, 1000)}
	go func() {
		code, err := Run(o, stdin, stdout)
		if err != nil {
			t.Error(err)
		}
		_ = stdout.Close()
		h.code <- code
	}()
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var ready struct {
		Ready  bool
		PID    int
		Socket string
	}
	if err = json.Unmarshal([]byte(line), &ready); err != nil || !ready.Ready || ready.PID != os.Getpid() || ready.Socket != o.Socket {
		t.Fatalf("ready line %q: %v", line, err)
	}
	conn, err := grpc.NewClient("unix:"+o.Socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	h.client = pb.NewEngineClient(conn)
	if h.stream, err = h.client.Events(t.Context()); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			batch, err := h.stream.Recv()
			if err != nil {
				return
			}
			var tags []uint64
			for _, event := range batch.Events {
				tags = append(tags, event.Tag)
				h.events <- event
			}
			_ = h.stream.Send(&pb.EventAck{Stored: tags})
		}
	}()
	t.Cleanup(func() {
		_ = keep.Close()
		_ = conn.Close()
	})
	return h
}

// end closes the host's standard input, as a dead parent would, and returns its exit code.
func (h *running) end() int {
	h.t.Helper()
	_ = h.stdin.Close()
	select {
	case code := <-h.code:
		return code
	case <-time.After(10 * time.Second):
		h.t.Fatal("the host did not end")
		return 0
	}
}

func (h *running) state(want pb.SessionState) *pb.State {
	h.t.Helper()
	limit := time.After(10 * time.Second)
	for {
		select {
		case event := <-h.events:
			if s := event.GetState(); s != nil && s.State == want {
				return s
			}
		case <-limit:
			h.t.Fatalf("no state %s", want)
		}
	}
}

func (h *running) open(epoch uint64, change ...func(*pb.StartSessionRequest)) (*pb.StartSessionReply, error) {
	name := filepath.Join(h.options.SessionsDir, "workspace_1", "session_1", "store."+string(rune('0'+epoch))+".db")
	q := &pb.StartSessionRequest{SessionId: "1", Epoch: epoch, StorePath: name}
	for _, c := range change {
		c(q)
	}
	return h.client.StartSession(h.t.Context(), q)
}

func expect(t *testing.T, err error, code codes.Code, word string) {
	t.Helper()
	if status.Code(err) != code || !strings.HasPrefix(status.Convert(err).Message(), word+":") {
		t.Errorf("got %v, want %v %s", err, code, word)
	}
}

func TestTheHostServesOnAPrivateFreshSocketAndEndsWithItsParent(t *testing.T) {
	h := start(t, options(t))
	info, err := os.Stat(h.options.Socket)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("socket mode %v %v", info.Mode(), err)
	}
	hello, err := h.client.Hello(t.Context(), &pb.HelloRequest{})
	if err != nil || int(hello.Pid) != os.Getpid() || hello.NetworkId != "sim-test" || hello.RunId == "" || hello.WhatsappVersion == "" {
		t.Fatalf("%v %v", hello, err)
	}
	second := h.options
	if _, err = Run(second, strings.NewReader(""), io.Discard); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("a used socket path: %v", err)
	}
	beat, err := h.client.Heartbeat(t.Context(), &pb.HeartbeatRequest{DeadlineBoottimeNs: deadman.BootTime() + int64(time.Minute)})
	if err != nil || beat.NowBoottimeNs == 0 {
		t.Errorf("heartbeat: %v %v", beat, err)
	}
	_, err = h.client.Heartbeat(t.Context(), &pb.HeartbeatRequest{DeadlineBoottimeNs: deadman.BootTime() + int64(time.Hour)})
	expect(t, err, codes.InvalidArgument, "invalid")
	if code := h.end(); code != exitParentGone {
		t.Errorf("exit code %d", code)
	}
}

func TestAnOpenSocketDirectoryIsRefused(t *testing.T) {
	o := options(t)
	if err := os.Chmod(filepath.Dir(o.Socket), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(o, strings.NewReader(""), io.Discard); err == nil {
		t.Fatal("accepted")
	}
}

func TestUnsafeOptionsAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"no socket":                 func(o *Options) { o.Socket = "" },
		"no sync":                   func(o *Options) { o.StoreSync = "OFF" },
		"acknowledgement too late":  func(o *Options) { o.AckTimeout = 5 * time.Minute },
		"no grace":                  func(o *Options) { o.StartGrace = 0 },
		"public simulated network":  func(o *Options) { o.Network.Address = "8.8.8.8:443" },
		"real network with own key": func(o *Options) { o.Network.Kind = "whatsapp" },
	} {
		o := options(t)
		change(&o)
		if _, err := Run(o, strings.NewReader(""), io.Discard); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestASessionWithoutNetworkKeepsTryingUntilStopped(t *testing.T) {
	h := start(t, options(t))
	reply, err := h.open(1)
	if err != nil || reply.Linked {
		t.Fatalf("%v %v", reply, err)
	}
	h.state(pb.SessionState_SESSION_STATE_CONNECTING)
	s := h.state(pb.SessionState_SESSION_STATE_DISCONNECTED)
	if !s.Retrying || s.RetryInS > 1 || s.Detail == "" {
		t.Errorf("first retry: %v", s)
	}
	if s = h.state(pb.SessionState_SESSION_STATE_DISCONNECTED); s.RetryInS < 3 || s.RetryInS > 5 {
		t.Errorf("second retry: %v", s)
	}
	for range 2 {
		if _, err = h.client.StopSession(t.Context(), &pb.StopSessionRequest{SessionId: "1", Epoch: 1}); err != nil {
			t.Error(err)
		}
	}
	h.state(pb.SessionState_SESSION_STATE_STOPPED)
	stats, err := h.client.Stats(t.Context(), &pb.StatsRequest{CollectGarbage: true})
	if err != nil || stats.Sessions != 0 || stats.HeapBytes == 0 {
		t.Errorf("%v %v", stats, err)
	}
	h.end()
}

func TestEveryCallIsHeldToTheEpoch(t *testing.T) {
	h := start(t, options(t))
	if _, err := h.open(2); err != nil {
		t.Fatal(err)
	}
	if _, err := h.open(2); err != nil {
		t.Errorf("the same epoch again: %v", err)
	}
	_, err := h.open(1)
	expect(t, err, codes.FailedPrecondition, "stale_epoch")
	if _, err = h.open(3); err != nil {
		t.Errorf("a higher epoch: %v", err)
	}
	for name, call := range h.calls(2) {
		if err = call(); status.Code(err) != codes.FailedPrecondition || !strings.HasPrefix(status.Convert(err).Message(), "stale_epoch:") {
			t.Errorf("%s under an old epoch: %v", name, err)
		}
	}
	_, err = h.client.Send(t.Context(), &pb.SendRequest{
		SessionId: "1", Epoch: 3, To: "628110000001@s.whatsapp.net", MessageId: "X", Message: []byte{0x0a, 1, 'x'},
	})
	expect(t, err, codes.FailedPrecondition, "not_linked")
	if _, err = h.client.StopSession(t.Context(), &pb.StopSessionRequest{SessionId: "1", Epoch: 3}); err != nil {
		t.Fatal(err)
	}
	for name, call := range h.calls(3) {
		if name == "StopSession" {
			continue
		}
		if err = call(); !strings.HasPrefix(status.Convert(err).Message(), "not_running:") {
			t.Errorf("%s on a stopped session: %v", name, err)
		}
	}
	_, err = h.open(2)
	expect(t, err, codes.FailedPrecondition, "stale_epoch")
	h.end()
}

func (h *running) calls(epoch uint64) map[string]func() error {
	ctx, c, id := context.Context(h.t.Context()), h.client, "1"
	return map[string]func() error{
		"StopSession": func() error {
			_, err := c.StopSession(ctx, &pb.StopSessionRequest{SessionId: id, Epoch: epoch})
			return err
		},
		"LogOut": func() error { _, err := c.LogOut(ctx, &pb.LogOutRequest{SessionId: id, Epoch: epoch}); return err },
		"PairCode": func() error {
			_, err := c.PairCode(ctx, &pb.PairCodeRequest{SessionId: id, Epoch: epoch, Phone: "628110000001"})
			return err
		},
		"Send":     func() error { _, err := c.Send(ctx, &pb.SendRequest{SessionId: id, Epoch: epoch}); return err },
		"MarkRead": func() error { _, err := c.MarkRead(ctx, &pb.MarkReadRequest{SessionId: id, Epoch: epoch}); return err },
		"SendChatPresence": func() error {
			_, err := c.SendChatPresence(ctx, &pb.SendChatPresenceRequest{SessionId: id, Epoch: epoch})
			return err
		},
		"SendPresence": func() error {
			_, err := c.SendPresence(ctx, &pb.SendPresenceRequest{SessionId: id, Epoch: epoch})
			return err
		},
		"SubscribePresence": func() error {
			_, err := c.SubscribePresence(ctx, &pb.SubscribePresenceRequest{SessionId: id, Epoch: epoch})
			return err
		},
		"Upload":   func() error { _, err := c.Upload(ctx, &pb.UploadRequest{SessionId: id, Epoch: epoch}); return err },
		"Download": func() error { _, err := c.Download(ctx, &pb.DownloadRequest{SessionId: id, Epoch: epoch}); return err },
		"IsOnWhatsApp": func() error {
			_, err := c.IsOnWhatsApp(ctx, &pb.IsOnWhatsAppRequest{SessionId: id, Epoch: epoch})
			return err
		},
	}
}

func TestARefusedStartSaysWhyAndOpensNoSocket(t *testing.T) {
	h := start(t, options(t))
	_, err := h.open(1, func(q *pb.StartSessionRequest) { q.ExpectLinked = true })
	expect(t, err, codes.FailedPrecondition, "store_missing")
	if made, _ := os.ReadDir(h.options.SessionsDir); len(made) != 0 {
		t.Errorf("made in the place of a missing store: %v", made)
	}
	_, err = h.open(1, func(q *pb.StartSessionRequest) { q.StorePath = "/tmp/store.1.db" })
	expect(t, err, codes.InvalidArgument, "invalid")
	_, err = h.open(1, func(q *pb.StartSessionRequest) { q.SessionId = "" })
	expect(t, err, codes.InvalidArgument, "invalid")
	if _, err = h.open(1); err != nil {
		t.Fatal(err)
	}
	h.end()
	other := h.options
	other.Network.ID = "sim-other"
	other.Socket = filepath.Join(filepath.Dir(other.Socket), "second.sock")
	h = start(t, other)
	_, err = h.open(1)
	expect(t, err, codes.FailedPrecondition, "network_mismatch")
	select {
	case event := <-h.events:
		t.Errorf("unexpected event %v", event)
	case <-time.After(50 * time.Millisecond):
	}
	h.end()
}

func TestInvalidRequestsAreRefusedBeforeTheSessionIsTouched(t *testing.T) {
	h := start(t, options(t))
	if _, err := h.open(1); err != nil {
		t.Fatal(err)
	}
	send := func(to, id string, raw []byte) error {
		_, err := h.client.Send(t.Context(), &pb.SendRequest{SessionId: "1", Epoch: 1, To: to, MessageId: id, Message: raw})
		return err
	}
	text := []byte{0x0a, 1, 'x'}
	for name, err := range map[string]error{
		"no recipient":   send("", "X", text),
		"no server":      send("628110000001", "X", text),
		"no user":        send("@s.whatsapp.net", "X", text),
		"no id":          send("628110000001@s.whatsapp.net", "", text),
		"long id":        send("628110000001@s.whatsapp.net", strings.Repeat("X", 129), text),
		"empty message":  send("628110000001@s.whatsapp.net", "X", nil),
		"broken message": send("628110000001@s.whatsapp.net", "X", []byte{0xff, 0xff}),
	} {
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := h.client.IsOnWhatsApp(t.Context(), &pb.IsOnWhatsAppRequest{SessionId: "1", Epoch: 1, Phones: []string{"+62 811"}})
	expect(t, err, codes.InvalidArgument, "invalid")
	_, err = h.client.MarkRead(t.Context(), &pb.MarkReadRequest{SessionId: "1", Epoch: 1, Chat: "1@lid", MessageIds: make([]string, 101)})
	expect(t, err, codes.InvalidArgument, "invalid")
	h.end()
}
