package network

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/store"
)

const (
	// fetchEvery bounds questions for the newest version.
	fetchEvery   = 10 * time.Minute
	fetchTimeout = 20 * time.Second
)

// ClientVersion is the version that all sessions of the host announce. WhatsApp refuses old ones (405) to every session
// alike, so one refusal closes the gate for all: no session logs in until a newer version is known, or one session that
// tries now and then was let in.
type ClientVersion struct {
	fetch func(context.Context) (*store.WAVersionContainer, error) // nil: a newer version is not asked for
	retry time.Duration                                            // how often one session tries a refused version
	log   *slog.Logger
	now   func() time.Time

	asking  sync.Mutex   // one question at a time
	asked   time.Time    // guarded by asking
	setting sync.RWMutex // whatsmeow keeps the version in a variable without a lock

	mu      sync.Mutex
	refused bool
	probeAt time.Time
	opened  chan struct{} // closed when a refused version is no longer
}

// NewClientVersion returns an open gate. With refresh a refused version is replaced by the newest that WhatsApp offers
// to browsers.
func (n *Network) NewClientVersion(refresh bool, retry time.Duration, log *slog.Logger) *ClientVersion {
	v := &ClientVersion{retry: retry, log: log, now: time.Now, opened: make(chan struct{})}
	if refresh {
		v.fetch = func(ctx context.Context) (*store.WAVersionContainer, error) {
			return whatsmeow.GetLatestVersion(ctx, n.Client)
		}
	}
	return v
}

// Current returns the version that is announced now.
func (v *ClientVersion) Current() store.WAVersionContainer {
	v.setting.RLock()
	defer v.setting.RUnlock()
	return store.GetWAVersion()
}

// Payload makes a login's payload and returns the version in it.
func (v *ClientVersion) Payload(device *store.Device) (*waWa6.ClientPayload, store.WAVersionContainer) {
	v.setting.RLock()
	defer v.setting.RUnlock()
	return device.GetClientPayload(), store.GetWAVersion()
}

// Closed returns whether logins wait, and for how long until one of them may try.
func (v *ClientVersion) Closed() (bool, time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.refused, max(0, v.probeAt.Sub(v.now()))
}

// Wait returns when the caller may log in: at once while the gate is open, for one caller now and then while it is
// closed.
func (v *ClientVersion) Wait(ctx context.Context) error {
	for {
		v.mu.Lock()
		if !v.refused {
			v.mu.Unlock()
			return ctx.Err()
		}
		wait, opened := v.probeAt.Sub(v.now()), v.opened
		if wait <= 0 {
			v.probeAt = v.now().Add(v.retry)
			v.mu.Unlock()
			v.renew(ctx, v.Current())
			return ctx.Err()
		}
		v.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-opened:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		timer.Stop()
	}
}

// Refused notes that WhatsApp refused a login with this version. Where another one is there to try the gate stays open.
func (v *ClientVersion) Refused(ctx context.Context, used store.WAVersionContainer) {
	if v.renew(ctx, used) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.refused {
		v.refused, v.probeAt = true, v.now().Add(v.retry)
		v.log.Error("WhatsApp refuses this client version; no session logs in with it", "version", used.String())
	}
}

// Accepted notes that a login succeeded.
func (v *ClientVersion) Accepted() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.open()
}

func (v *ClientVersion) open() {
	if v.refused {
		v.refused = false
		close(v.opened)
		v.opened = make(chan struct{})
	}
}

// renew sets a newer version than the one that was refused, if one can be had, and returns whether there is one.
func (v *ClientVersion) renew(ctx context.Context, used store.WAVersionContainer) bool {
	v.asking.Lock()
	defer v.asking.Unlock()
	if v.Current() != used { // another session was faster
		return true
	}
	if v.fetch == nil || v.now().Sub(v.asked) < fetchEvery {
		return false
	}
	v.asked = v.now()
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	latest, err := v.fetch(ctx)
	if err != nil {
		v.log.Warn("the newest client version is not known", "error", err.Error())
		return false
	}
	if !used.LessThan(*latest) {
		return false
	}
	v.setting.Lock()
	store.SetWAVersion(*latest)
	v.setting.Unlock()
	v.log.Warn("a newer client version is used", "version", latest.String(), "instead_of", used.String())
	v.mu.Lock()
	defer v.mu.Unlock()
	v.open()
	return true
}
