package network

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	slowest       = 0.5             // logins a second after repeated refusals
	recoverFactor = 1.02            // growth of the rate per login that was let through
	jitterShare   = 0.5             // up to this share of the interval is added at random
	slowDownEvery = 2 * time.Second // one refusal wave halves the rate once
)

// Gate paces logins of the whole host. A rate of 0 lets everything through.
type Gate struct {
	mu       sync.Mutex
	full     float64
	rate     float64
	next     time.Time
	lastSlow time.Time
}

// NewGate allows rate logins a second; 0 means no limit.
func NewGate(rate float64) *Gate { return &Gate{full: rate, rate: rate} }

// Wait returns when the caller may log in, or with the context's error.
func (g *Gate) Wait(ctx context.Context) error {
	g.mu.Lock()
	if g.full == 0 {
		g.mu.Unlock()
		return ctx.Err()
	}
	now := time.Now()
	if g.next.Before(now) {
		g.next = now
	}
	wait := g.next.Sub(now)
	interval := float64(time.Second) / g.rate
	g.next = g.next.Add(time.Duration(interval))
	g.rate = min(g.full, g.rate*recoverFactor)
	g.mu.Unlock()
	wait += time.Duration(rand.Float64() * jitterShare * interval)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// SlowDown halves the rate after the network answered 429 or 503.
func (g *Gate) SlowDown() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.full == 0 || time.Since(g.lastSlow) < slowDownEvery {
		return
	}
	g.lastSlow = time.Now()
	g.rate = max(slowest, g.rate/2)
}
