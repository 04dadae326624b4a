package network

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/store"
)

// gate is a version gate with a clock of the test's own; what whatsmeow announces is put back at the end.
func gate(t *testing.T, fetch func() (*store.WAVersionContainer, error)) (*ClientVersion, *time.Time) {
	t.Helper()
	before := store.GetWAVersion()
	t.Cleanup(func() { store.SetWAVersion(before) })
	now := time.Now()
	v := (&Network{}).NewClientVersion(false, time.Hour, slog.New(slog.DiscardHandler))
	v.now = func() time.Time { return now }
	if fetch != nil {
		v.fetch = func(context.Context) (*store.WAVersionContainer, error) { return fetch() }
	}
	return v, &now
}

func waits(t *testing.T, v *ClientVersion) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := errors.New("waited")
	done := make(chan error, 1)
	go func() {
		err := v.Wait(ctx)
		if ctx.Err() != nil {
			err = cancelled
		}
		done <- err
	}()
	select {
	case err := <-done:
		cancel()
		return err != nil
	case <-time.After(50 * time.Millisecond):
		cancel()
		<-done
		return true
	}
}

func TestARefusedVersionHoldsAllLoginsButOneAnHour(t *testing.T) {
	v, now := gate(t, nil)
	if waits(t, v) {
		t.Fatal("an open gate holds a login")
	}
	v.Refused(t.Context(), v.Current())
	if !waits(t, v) {
		t.Fatal("a login with a refused version")
	}
	*now = now.Add(time.Hour)
	if waits(t, v) {
		t.Fatal("nobody tries again")
	}
	if !waits(t, v) {
		t.Fatal("a second one tries in the same hour")
	}
	v.Accepted()
	if waits(t, v) {
		t.Fatal("the gate stays closed although a login was accepted")
	}
}

func TestANewerVersionIsTriedAtOnce(t *testing.T) {
	newer := store.GetWAVersion()
	newer[2]++
	asked := 0
	v, _ := gate(t, func() (*store.WAVersionContainer, error) { asked++; return &newer, nil })
	old := v.Current()
	v.Refused(t.Context(), old)
	if v.Current() != newer || waits(t, v) {
		t.Fatalf("announces %v", v.Current())
	}
	v.Refused(t.Context(), old) // another session's refusal, told late
	if waits(t, v) || asked != 1 {
		t.Fatalf("asked %d times", asked)
	}
	v.Refused(t.Context(), newer)
	if !waits(t, v) || asked != 1 {
		t.Fatal("a version that is refused too is tried again and again")
	}
}

func TestAnOlderOrUnknownNewestVersionChangesNothing(t *testing.T) {
	older := store.GetWAVersion()
	older[2]--
	for _, fetch := range []func() (*store.WAVersionContainer, error){
		func() (*store.WAVersionContainer, error) { return &older, nil },
		func() (*store.WAVersionContainer, error) { return nil, errors.New("no answer") },
	} {
		v, _ := gate(t, fetch)
		used := v.Current()
		v.Refused(t.Context(), used)
		if v.Current() != used || !waits(t, v) {
			t.Fatalf("announces %v", v.Current())
		}
	}
}
