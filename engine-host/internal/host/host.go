package host

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/blazz/blazz/engine-host/internal/crash"
	"github.com/blazz/blazz/engine-host/internal/dbstore"
	"github.com/blazz/blazz/engine-host/internal/deadman"
	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"github.com/blazz/blazz/engine-host/internal/events"
	"github.com/blazz/blazz/engine-host/internal/failpoint"
	"github.com/blazz/blazz/engine-host/internal/media"
	"github.com/blazz/blazz/engine-host/internal/network"
	"github.com/blazz/blazz/engine-host/internal/session"
	"github.com/blazz/blazz/engine-host/internal/store"
	"google.golang.org/grpc"
)

const (
	// maxMessage bounds one call or batch; a message's raw bytes may be long, media never travels here.
	maxMessage = 64 << 20
	// politeStop is how long a stopping host waits for its sessions.
	politeStop = 2 * time.Second
	// Exit codes beside 0 and 1.
	exitDeadline   = 70
	exitParentGone = 71
)

// Options of the process.
type Options struct {
	Socket       string
	SessionsDir  string
	MediaDir     string
	Network      network.Options
	AckTimeout   time.Duration
	StartGrace   time.Duration
	StoreSync    string
	StoreJournal string
	StoreLocks   string
	StoreIdle    time.Duration
	StoreLimit   time.Duration
	SessionStore string // StoresInFiles or StoresInDatabase
	Database     dbstore.Options
	DeviceName   string
	// RefreshVersion replaces a client version that WhatsApp refuses by the newest one.
	RefreshVersion bool
	VersionRetry   time.Duration
	Version        string
	Library        string
	Crash          *crash.Recorder
	Log            *slog.Logger
}

func (o Options) check() error {
	if o.Socket == "" || o.MediaDir == "" || (o.SessionsDir == "" && o.SessionStore == StoresInFiles) {
		return fmt.Errorf("--socket, --sessions-dir and --media-dir are needed")
	}
	if o.SessionStore != StoresInFiles && o.SessionStore != StoresInDatabase {
		return fmt.Errorf("--session-store is files or database, not %q", o.SessionStore)
	}
	if err := store.CheckModes(o.StoreJournal, o.StoreLocks, o.StoreSync); err != nil {
		return err
	}
	// The caller waits a minute for a start, which may first have to wait for the end of the session's last run.
	if o.StoreLimit <= 0 || o.StoreLimit > 20*time.Second {
		return fmt.Errorf("--store-timeout must be within 0 and 20s")
	}
	// whatsmeow goes on without the handler after 300 s, which would break the order of messages.
	if o.AckTimeout <= 0 || o.AckTimeout > 2*time.Minute {
		return fmt.Errorf("--ack-timeout must be within 0 and 2m")
	}
	if o.StartGrace < 2*deadman.CloseBefore {
		return fmt.Errorf("--start-grace must be at least %v", 2*deadman.CloseBefore)
	}
	return nil
}

// Where session stores are kept.
const (
	StoresInFiles    = "files"
	StoresInDatabase = "database"
)

// stores opens where session stores are kept, and returns how to open one and how to end.
func (o Options) stores(networkID string) (session.OpenStore, func(), error) {
	if o.SessionStore == StoresInDatabase {
		database := o.Database
		database.NetworkID, database.Limit, database.Log = networkID, o.StoreLimit, o.Log
		pool, err := dbstore.Open(database)
		if err != nil {
			return nil, nil, err
		}
		return session.InDatabase(pool), pool.Close, nil
	}
	root, err := store.OpenRoot(o.SessionsDir)
	if err != nil {
		return nil, nil, err
	}
	return session.InFiles(root, store.Options{
		NetworkID: networkID, Synchronous: o.StoreSync, Journal: o.StoreJournal, Locks: o.StoreLocks,
		IdleClose: o.StoreIdle, Limit: o.StoreLimit,
	}), func() { _ = root.Close() }, nil
}

// Run serves until stdin ends, a signal comes, or the deadline passes. It returns the exit code.
func Run(o Options, stdin io.Reader, stdout io.Writer) (int, error) {
	if err := o.check(); err != nil {
		return 1, err
	}
	fail, err := failpoint.FromEnvironment(os.Getenv)
	if err != nil {
		return 1, err
	}
	// Sessions hold many small long-lived objects: a lower target than Go's default saves memory for little work.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	raiseFileLimit()
	dead := deadman.New(deadman.BootTime, o.StartGrace, func() { os.Exit(exitDeadline) })
	net, err := network.New(o.Network, dead)
	if err != nil {
		return 1, err
	}
	net.Apply(o.DeviceName)
	stores, closeStores, err := o.stores(net.ID)
	if err != nil {
		return 1, err
	}
	defer closeStores()
	files, err := media.Open(o.MediaDir)
	if err != nil {
		return 1, err
	}
	defer files.Close()
	version := net.NewClientVersion(o.RefreshVersion, o.VersionRetry, o.Log)
	hub := events.NewHub(events.DefaultLimits(o.AckTimeout))
	manager := session.NewManager(session.Config{
		Network: net, Version: version, Guard: dead, Hub: hub, Stores: stores, Media: files, Fail: fail, Crash: o.Crash, Log: o.Log,
	})
	dead.OnChange(
		func() { o.Log.Warn("deadline near: closing all connections"); manager.Hold() },
		func() { o.Log.Info("deadline moved: connecting again"); manager.Resume() },
	)
	listener, err := listen(o.Socket)
	if err != nil {
		return 1, err
	}
	service := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage), grpc.MaxConcurrentStreams(4096))
	pb.RegisterEngineServer(service, &server{
		manager: manager, hub: hub, deadman: dead, networkID: net.ID, version: o.Version, library: o.Library, runID: randomID(),
	})
	pb.RegisterPairingServer(service, &pairingServer{manager: manager})
	pb.RegisterCallsServer(service, &callsServer{manager: manager})
	pb.RegisterLimitsServer(service, &limitsServer{manager: manager})
	pb.RegisterMediaServer(service, &mediaServer{manager: manager})
	pb.RegisterPeopleServer(service, &peopleServer{manager: manager})
	pb.RegisterHistoryServer(service, &historyServer{manager: manager})
	pb.RegisterAppStateServer(service, &stateServer{manager: manager})
	pb.RegisterGroupsServer(service, &groupsServer{manager: manager})

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go dead.Run(ctx)
	ended := make(chan int, 1)
	go waitForEnd(ctx, stdin, ended)
	failed := make(chan error, 1)
	go func() { failed <- service.Serve(listener) }()
	ready, err := json.Marshal(map[string]any{"ready": true, "pid": os.Getpid(), "socket": o.Socket})
	if err != nil {
		return 1, fmt.Errorf("ready line: %w", err)
	}
	if _, err = fmt.Fprintln(stdout, string(ready)); err != nil {
		return 1, fmt.Errorf("ready line: %w", err)
	}

	code := 0
	select {
	case code = <-ended:
	case err = <-failed:
		return 1, fmt.Errorf("serve: %w", err)
	}
	o.Log.Info("stopping", "exit_code", code)
	polite, stop := context.WithTimeout(ctx, politeStop)
	defer stop()
	manager.Close(polite)
	service.Stop()
	return code, nil
}

// waitForEnd reports the exit code when the parent is gone or a signal asks to stop.
func waitForEnd(ctx context.Context, stdin io.Reader, ended chan<- int) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	gone := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		close(gone)
	}()
	select {
	case <-signals:
		ended <- 0
	case <-gone:
		ended <- exitParentGone
	case <-ctx.Done():
	}
}

func randomID() string {
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // never fails
	return hex.EncodeToString(raw[:])
}

// raiseFileLimit allows as many open files as the system lets this user have: each session needs a socket and its store.
func raiseFileLimit() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return
	}
	limit.Cur = limit.Max
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}
