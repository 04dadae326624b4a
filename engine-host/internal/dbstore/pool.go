// Package dbstore keeps session stores in PostgreSQL, for installations without a shared directory: one set of
// whatsmeow's tables in a schema of its own, used by all sessions. Every write happens in a transaction that first reads
// the session's row with a lock and is refused unless epoch and opening are still its own.
package dbstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// URLVariable is the environment variable that holds the database's address: it contains a password, and arguments of
// a process can be read by everybody.
const URLVariable = "BLAZZ_SESSION_DATABASE_URL"

// Schema holds everything of ours in the database.
const Schema = "blazz_sessions"

const (
	connectTimeout   = 5 * time.Second
	statementTimeout = 10 * time.Second
	// stallTimeout ends a transaction in which nothing happens: a frozen host must not keep a session's row locked for
	// longer than its lease (6 s).
	stallTimeout = 4 * time.Second
	// lockTimeout is longer, so that a takeover outlives what a frozen host holds.
	lockTimeout = 6 * time.Second
	idleTime    = time.Minute
	tidyEvery   = 6 * time.Hour
	firstTidy   = 5 * time.Minute // after a start there is more urgent work
	closeWait   = time.Second
)

// ErrUnsupported refuses a database that cannot hold session stores.
var ErrUnsupported = errors.New("session_store_unsupported")

// Options of a pool.
type Options struct {
	URL         string
	NetworkID   string
	Connections int           // at most this many for all sessions of the host
	Limit       time.Duration // one operation that takes longer counts as hanging
	Log         *slog.Logger
}

// Pool is the database of all sessions of a host. Sessions borrow its connections for the length of one statement or
// transaction, so that hundreds of sessions need only a few.
type Pool struct {
	pool *pgxpool.Pool
	o    Options
	stop context.CancelFunc
	work sync.WaitGroup

	mu    sync.Mutex // held while the schema is made
	ready bool
}

// Open checks the address and begins. The database need not answer yet: sessions that are started while it is away fail
// with a store failure and are started again later.
func Open(o Options) (*Pool, error) {
	if !strings.HasPrefix(o.URL, "postgresql://") && !strings.HasPrefix(o.URL, "postgres://") {
		return nil, fmt.Errorf("%w: session stores in a database need PostgreSQL, and %s names no address of one (postgresql://)",
			ErrUnsupported, URLVariable)
	}
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		// the parser's error may repeat parts of the address
		return nil, fmt.Errorf("%w: the address in %s cannot be understood", ErrUnsupported, URLVariable)
	}
	config.MaxConns = int32(max(o.Connections, 1))
	config.MinConns, config.MinIdleConns = 0, 0
	config.MaxConnIdleTime = idleTime
	config.PingTimeout = connectTimeout
	config.ConnConfig.ConnectTimeout = connectTimeout
	for name, value := range map[string]string{
		"application_name":                    "blazz-sessions",
		"search_path":                         Schema,
		"timezone":                            "UTC",
		"jit":                                 "off",
		"synchronous_commit":                  "on", // acknowledged is durable
		"default_transaction_isolation":       "read committed",
		"statement_timeout":                   milliseconds(statementTimeout),
		"lock_timeout":                        milliseconds(lockTimeout),
		"idle_in_transaction_session_timeout": milliseconds(stallTimeout),
	} {
		config.ConnConfig.RuntimeParams[name] = value
	}
	ctx, stop := context.WithCancel(context.Background())
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		stop()
		return nil, fmt.Errorf("session database: %w", err)
	}
	if o.Limit <= 0 {
		o.Limit = 15 * time.Second
	}
	p := &Pool{pool: pool, o: o, stop: stop}
	p.work.Go(func() { p.tidyRegularly(ctx) })
	return p, nil
}

// Close ends all connections. It does not wait long for statements under way: the database ends them with the process.
func (p *Pool) Close() {
	p.stop()
	p.work.Wait()
	done := make(chan struct{})
	go func() { p.pool.Close(); close(done) }()
	select {
	case <-done:
	case <-time.After(closeWait):
	}
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// tidyRegularly deletes what was set aside long enough ago. Every host does: who finds it first.
func (p *Pool) tidyRegularly(ctx context.Context) {
	timer := time.NewTimer(firstTidy)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			timer.Reset(tidyEvery)
		}
		if err := p.tidy(ctx, asideFor); err != nil && ctx.Err() == nil {
			p.o.Log.Warn("stores of removed devices not deleted", "error", err)
		}
	}
}
