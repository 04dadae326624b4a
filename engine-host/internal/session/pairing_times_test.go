package session

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"github.com/blazz/blazz/engine-host/internal/events"
	"go.mau.fi/whatsmeow/types"
)

// told runs body on a session of its own clock and returns what is told, an end last, and after how many seconds each
// event was.
func told(t *testing.T, useQR bool, body func(*Session)) (all []*pb.Event, at []float64) {
	t.Helper()
	hub := events.NewHub(events.DefaultLimits(time.Minute))
	s := linking()
	s.m, s.useQR = &Manager{cfg: Config{Hub: hub}}, useQR
	began := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = hub.Subscribe().Run(ctx, func(batch *pb.EventBatch) error {
			for _, event := range batch.Events {
				all, at = append(all, event), append(at, time.Since(began).Round(time.Second).Seconds())
			}
			return nil
		})
	}()
	synctest.Wait()
	body(s)
	synctest.Wait()
	for got, ok := s.mail.take(); ok; got, ok = s.mail.take() {
		if got.kind == sigFinal {
			all = append(all, &pb.Event{Body: &pb.Event_State{State: got.state}})
		}
	}
	s.cancel()
	cancel()
	<-ended
	return all, at
}

func TestSixCodesFollowEachOtherAndThenTheTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, at := told(t, true, func(s *Session) {
			s.onQR([]string{"a", "b", "c", "d", "e", "f"})
			time.Sleep(159 * time.Second)
			if _, ok := s.mail.take(); !ok { // ready
				t.Error("nobody knows that a pairing is waited for")
			}
			if _, ok := s.mail.take(); ok {
				t.Error("it ends early")
			}
			time.Sleep(2 * time.Second)
		})
		want := []float64{0, 60, 80, 100, 120, 140}
		if len(all) != len(want)+1 {
			t.Fatalf("%d events: %v", len(all), all)
		}
		for i, seconds := range want {
			qr, life := all[i].GetQr(), 20.0
			if i == 0 {
				life = 60
			}
			if at[i] != seconds || qr.GetNumber() != int32(i+1) || qr.GetLifetimeS() != life {
				t.Errorf("code %d after %v s: %v", i+1, at[i], qr)
			}
		}
		if state := all[6].GetState(); state.GetState() != pb.SessionState_SESSION_STATE_QR_EXPIRED {
			t.Errorf("the end is %v", state)
		}
	})
}

func TestANewConnectionShowsNewCodesWithinTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, at := told(t, true, func(s *Session) {
			s.onQR([]string{"a", "b", "c", "d", "e", "f"})
			time.Sleep(130 * time.Second)
			s.endQR()
			s.mail.take() // ready
			s.conn, s.dropConn = context.WithCancel(s.ctx)
			s.onQR([]string{"g", "h", "i", "j", "k", "l"})
			time.Sleep(40 * time.Second)
		})
		last := all[len(all)-2].GetQr()
		if last.GetCode() != "g" || at[len(at)-1] != 130 || last.GetLifetimeS() != 30 {
			t.Errorf("after %v s: %v", at[len(at)-1], last)
		}
		if state := all[len(all)-1].GetState(); state.GetState() != pb.SessionState_SESSION_STATE_QR_EXPIRED {
			t.Errorf("the end is %v", state)
		}
	})
}

func TestNoCodeIsShownWhereOneIsTyped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, _ := told(t, false, func(s *Session) {
			s.onQR([]string{"a", "b"})
			time.Sleep(41 * time.Second)
		})
		if len(all) != 1 || all[0].GetState().GetState() != pb.SessionState_SESSION_STATE_QR_EXPIRED {
			t.Errorf("got %v", all)
		}
	})
}

func TestAPasskeyThatIsNotGivenInTimeEndsTheLinking(t *testing.T) {
	for given, want := range map[int]time.Duration{
		0: longestPasskey, 1_000: shortestPasskey, 60_000: time.Minute, 3_600_000: longestPasskey,
	} {
		synctest.Test(t, func(t *testing.T) {
			all, _ := told(t, true, func(s *Session) {
				s.demandPasskey(&types.WebAuthnPublicKey{Timeout: given})
				time.Sleep(want - time.Second)
				if _, ok := s.mail.take(); ok {
					t.Errorf("%d ms: it ends early", given)
				}
				time.Sleep(2 * time.Second)
			})
			if life := all[0].GetPasskeyRequest().GetLifetimeS(); life != want.Seconds() {
				t.Errorf("%d ms: %v s are told", given, life)
			}
			if state := all[len(all)-1].GetState(); state.GetState() != pb.SessionState_SESSION_STATE_PAIR_FAILED {
				t.Errorf("%d ms: the end is %v", given, state)
			}
		})
	}
}

func TestAPasskeyEndsTheTimeOfTheCodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, _ := told(t, true, func(s *Session) {
			s.onQR([]string{"a", "b"})
			time.Sleep(time.Second)
			s.demandPasskey(&types.WebAuthnPublicKey{})
			time.Sleep(time.Minute)
			if !s.pairingBegins() {
				t.Error("the pairing was refused")
			}
			s.pairingEnds()
			time.Sleep(longestPasskey)
		})
		if last := all[len(all)-1]; last.GetPasskeyRequest() == nil {
			t.Errorf("the session ended: %v", last)
		}
	})
}

func TestAPasskeyIsNotWaitedForOnAnotherConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, _ := told(t, true, func(s *Session) {
			s.demandPasskey(&types.WebAuthnPublicKey{})
			s.endQR()
			s.conn, s.dropConn = context.WithCancel(s.ctx)
			s.onQR([]string{"a"})
		})
		if state := all[len(all)-1].GetState(); state.GetDetail() != passkeyLost {
			t.Errorf("the end is %v", state)
		}
	})
}
