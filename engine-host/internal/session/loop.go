package session

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"github.com/blazz/blazz/engine-host/internal/store"
	"go.mau.fi/whatsmeow/socket"
)

const (
	firstRetryWithin = time.Second            // the first reconnect comes after 0-1 s
	retryBase        = 5 * time.Second        // later ones after 5 s x 2^n ...
	retryMax         = 300 * time.Second      // ... at most this
	stableAfter      = 5 * time.Second        // a connection that lived this long starts the sequence anew
	loginTimeout     = 30 * time.Second       // from an open socket to a login, or to the offer of a pairing
	dialGrace        = 250 * time.Millisecond // for a connection that is being opened when the session ends
	reloginTimeout   = 5 * time.Second        // from pair-success to the server's request to log in
	reloginLook      = 500 * time.Millisecond // between looks whether the connection stands meanwhile; the library is silent
)

// backoff returns the delay before reconnect number attempt (0 = the first).
func backoff(attempt int) time.Duration {
	if attempt == 0 {
		return time.Duration(rand.Int64N(int64(firstRetryWithin)))
	}
	delay := retryMax
	if attempt <= 6 {
		delay = min(retryMax, retryBase<<(attempt-1))
	}
	return delay*3/4 + time.Duration(rand.Int64N(int64(delay)/4))
}

// verdict is how one connection ended.
type verdict struct {
	final  *pb.State // not nil: the session ends
	held   bool      // closed because of the owner's deadline
	again  bool      // log in again at once
	old    bool      // WhatsApp refused the client version
	stable bool
	detail string
}

// run connects, waits for the end of the connection, and connects again, until the session ends.
func (s *Session) run() {
	defer s.finish()
	attempt := 0
	for s.waitForPermission() {
		if s.waitForVersion() != nil || s.m.cfg.Network.Gate.Wait(s.ctx) != nil {
			return
		}
		v, sound := s.storeVerdict()
		if sound {
			v = s.connectOnce()
		}
		switch {
		case s.ctx.Err() != nil:
			return
		case v.final != nil:
			s.mu.Lock()
			s.stopState = pb.SessionState_SESSION_STATE_UNSPECIFIED // the final state says more
			s.mu.Unlock()
			if v.final.State == pb.SessionState_SESSION_STATE_LOGGED_OUT {
				s.store.Remove()
			}
			s.report(v.final)
			return
		case v.again:
			attempt = 0
			continue
		case v.old:
			s.m.cfg.Version.Refused(s.ctx, s.announced())
			attempt = 0
			continue
		case v.held:
			s.report(&pb.State{State: pb.SessionState_SESSION_STATE_DISCONNECTED, Detail: v.detail, Retrying: true})
			attempt = 0
			continue
		}
		if v.stable {
			attempt = 0
		}
		delay := backoff(attempt)
		attempt++
		s.report(&pb.State{
			State: pb.SessionState_SESSION_STATE_DISCONNECTED, Detail: v.detail, Code: s.takeCode(),
			Retrying: true, RetryInS: delay.Seconds(),
		})
		if !s.sleep(delay) {
			return
		}
	}
}

// storeVerdict asks a store whose storage has failed before, or that another owner may have taken, and says whether the
// session may connect: without its keys it would take messages that it cannot keep.
func (s *Session) storeVerdict() (verdict, bool) {
	if !s.suspect.Swap(false) && !s.shared {
		return verdict{}, true
	}
	err := s.store.Check(s.ctx)
	switch {
	case err == nil:
		s.suspect.Store(false) // failures of the look itself have been dealt with
		return verdict{}, true
	case errors.Is(err, store.ErrCorrupt):
		return verdict{final: &pb.State{State: pb.SessionState_SESSION_STATE_STOPPED, Detail: err.Error()}}, false
	case errors.Is(err, store.ErrStaleEpoch):
		return verdict{final: staleState(err)}, false
	}
	s.suspect.Store(true)
	return verdict{detail: "store_failure: " + err.Error()}, false
}

// staleState ends a session whose store has another owner.
func staleState(err error) *pb.State {
	return &pb.State{State: pb.SessionState_SESSION_STATE_STOPPED, Detail: err.Error()}
}

// waitForPermission returns when the owner's deadline allows a connection, false when the session was stopped.
func (s *Session) waitForPermission() bool {
	for {
		resumed := s.m.resumeChannel()
		if s.ctx.Err() != nil {
			return false
		}
		if s.m.cfg.Guard.Allow() == nil {
			return true
		}
		select {
		case <-resumed:
		case <-time.After(time.Second):
		case <-s.ctx.Done():
			return false
		}
	}
}

// sleep waits, and ends early for nothing but the end of the session.
func (s *Session) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// connectOnce opens one connection and returns when it is closed.
func (s *Session) connectOnce() verdict {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	s.mu.Lock()
	s.conn, s.dropConn, s.held, s.arriving, s.placed = ctx, cancel, nil, nil, nil
	s.mu.Unlock()
	s.offline.Store(s.linked())
	for old, ok := s.mail.take(); ok; old, ok = s.mail.take() {
		if old.kind == sigFinal { // other signals of the previous connection mean nothing now
			return verdict{final: old.state}
		}
	}
	s.report(&pb.State{State: pb.SessionState_SESSION_STATE_CONNECTING})
	err := s.dial(ctx)
	defer func() {
		s.up.Store(false)
		s.awaitPairing(holdGrace)
		cancel() // before the disconnect: what is being handled must stay unconfirmed
		s.disconnect()
		s.endQR()
	}()
	if err != nil {
		var refused socket.ErrWithStatusCode
		if errors.As(err, &refused) {
			s.setCode(int32(refused.StatusCode))
		}
		return verdict{detail: "connect: " + err.Error()}
	}
	return s.watch(ctx)
}

// dial opens a connection. whatsmeow's handshake does not look at its context for up to 20 s; a session that ends does
// not wait for it. The connection's context is cancelled then, so that nothing can be sent or received on it.
func (s *Session) dial(ctx context.Context) error {
	done := make(chan error, 1)
	go func() {
		err := s.client.ConnectContext(ctx)
		done <- err
		if err == nil && s.ctx.Err() != nil {
			s.client.Disconnect()
		}
	}()
	select {
	case err := <-done:
		return err
	case <-s.ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(dialGrace):
		s.dialing = true
		return s.ctx.Err()
	}
}

// disconnect closes the present connection, if there is one: it would wait for one that is still being opened.
func (s *Session) disconnect() {
	if !s.dialing {
		s.client.Disconnect()
	}
}

// watch waits for the end of a connection.
func (s *Session) watch(ctx context.Context) verdict {
	login := time.NewTimer(loginTimeout)
	defer login.Stop()
	reset := time.NewTimer(time.Hour)
	reset.Stop()
	defer reset.Stop()
	resetDetail := ""
	var upSince time.Time
	pairing := !s.linked()
	paired, relogin := false, false
	var reloginUntil time.Time
	end := func(v verdict) verdict {
		v.stable = !upSince.IsZero() && time.Since(upSince) >= stableAfter
		return v
	}
	for {
		got, ok := s.mail.take()
		if !ok {
			select {
			case <-s.mail.wake:
			case <-login.C:
				if paired && s.client.IsConnected() && time.Now().Before(reloginUntil) {
					login.Reset(reloginLook)
					continue
				}
				return end(verdict{again: paired || relogin, detail: "no login within the time allowed"})
			case <-reset.C:
				s.m.Counters.Resets.Add(1)
				return end(verdict{detail: resetDetail})
			case <-s.ctx.Done():
				return verdict{}
			case <-ctx.Done():
				// Cut by a failure that must stay unconfirmed; the reason follows by mail.
				if got, ok = s.mail.take(); !ok {
					got = signal{kind: sigDown, detail: "connection was cut"}
				}
				s.m.Counters.Resets.Add(1)
				if got.kind == sigFinal {
					return verdict{final: got.state}
				}
				return end(verdict{detail: got.detail})
			}
			continue
		}
		switch got.kind {
		case sigUp:
			login.Stop()
			upSince = time.Now()
		case sigReady:
			login.Stop()
		case sigPaired:
			if relogin {
				return verdict{again: true}
			}
			paired, reloginUntil = true, time.Now().Add(reloginTimeout)
			login.Reset(reloginLook)
		case sigRelogin:
			if !pairing || paired {
				return verdict{again: true}
			}
			// The server was faster than whatsmeow's own end of the pairing, which must not be cut.
			relogin = true
			login.Reset(reloginTimeout)
		case sigHold:
			return verdict{held: true, detail: got.detail}
		case sigOutdated:
			return verdict{old: true}
		case sigFinal:
			return verdict{final: got.state}
		case sigDown:
			if !s.client.IsConnected() {
				return end(verdict{again: paired, detail: got.detail})
			}
		case sigReset:
			if got.after == 0 {
				s.m.Counters.Resets.Add(1)
				return end(verdict{detail: got.detail})
			}
			if resetDetail == "" { // the first wish stands
				resetDetail = got.detail
				reset.Reset(got.after)
			}
		}
	}
}
