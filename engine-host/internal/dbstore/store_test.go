package dbstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/blazz/blazz/engine-host/internal/store"
	"go.mau.fi/whatsmeow/proto/waAdv"
	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	waLog "go.mau.fi/whatsmeow/util/log"
)

// testURL names a PostgreSQL whose user may create databases. Python's tests start one and cover the same from outside.
const testURL = "BLAZZ_TEST_POSTGRES_URL"

var databases atomic.Int64

// newDatabase returns the address of an empty database.
func newDatabase(t *testing.T) string {
	t.Helper()
	address := os.Getenv(testURL)
	if address == "" {
		t.Skip(testURL + " names no PostgreSQL server")
	}
	admin := newPool(t, address)
	name := fmt.Sprintf("blazz_go_%d_%d", os.Getpid(), databases.Add(1))
	if _, err := admin.pool.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// the last clean-up of the test: its pools are closed
		_, _ = admin.pool.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)")
		admin.Close()
	})
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	parsed.Path = "/" + name
	return parsed.String()
}

func newPool(t *testing.T, address string) *Pool {
	t.Helper()
	p, err := Open(Options{
		URL: address, NetworkID: "sim-test", Connections: 4, Limit: 10 * time.Second, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

type opening struct {
	*Store
	failures chan error
}

func open(t *testing.T, p *Pool, session string, epoch uint64) (*opening, error) {
	t.Helper()
	o := &opening{failures: make(chan error, 100)}
	s, err := p.Open(t.Context(), waLog.Noop, store.Request{
		SessionID: session, Epoch: epoch, OnFailure: func(err error) {
			select {
			case o.failures <- err:
			default:
			}
		},
	})
	if err != nil {
		return nil, err
	}
	o.Store = s
	t.Cleanup(func() { _ = s.Close() })
	return o, nil
}

func must(t *testing.T, p *Pool, session string, epoch uint64) *opening {
	t.Helper()
	o, err := open(t, p, session, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// link gives the store an identity with a push name. All that are linked here have the same JID.
func link(t *testing.T, o *opening, name string) {
	t.Helper()
	jid := types.JID{User: "628110000021", Device: 1, Server: types.DefaultUserServer}
	d := o.Device
	d.ID, d.PushName = &jid, name
	d.Account = &waAdv.ADVSignedDeviceIdentity{
		Details: []byte{1}, AccountSignature: make([]byte, 64), AccountSignatureKey: make([]byte, 32), DeviceSignature: make([]byte, 64),
	}
	if err := d.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func put(ctx context.Context, o *opening, value string) error {
	return o.Device.Sessions.PutSession(ctx, "1:1", []byte(value))
}

func get(t *testing.T, o *opening) string {
	t.Helper()
	value, err := o.Device.Sessions.GetSession(t.Context(), "1:1")
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

func TestWhatWasStoredIsThereUnderTheNextEpoch(t *testing.T) {
	address := newDatabase(t)
	first := must(t, newPool(t, address), "a", 1)
	if first.Device.ID != nil {
		t.Fatal("a new store has an identity")
	}
	link(t, first, "one")
	if err := put(t.Context(), first, "ratchet"); err != nil {
		t.Fatal(err)
	}
	keys, err := first.Device.PreKeys.GetOrGenPreKeys(t.Context(), 30)
	if err != nil || len(keys) != 30 {
		t.Fatalf("%d prekeys: %v", len(keys), err)
	}
	second := must(t, newPool(t, address), "a", 5)
	if second.Device.ID == nil || second.Device.ID.String() != first.Device.ID.String() || second.Device.PushName != "one" {
		t.Fatalf("identity %v, %q", second.Device.ID, second.Device.PushName)
	}
	if *second.Device.NoiseKey.Priv != *first.Device.NoiseKey.Priv || get(t, second) != "ratchet" {
		t.Error("keys are not the same")
	}
}

func TestAnEarlierOwnerIsRefusedWhateverItWrites(t *testing.T) {
	address := newDatabase(t)
	old := must(t, newPool(t, address), "a", 1)
	link(t, old, "one")
	if err := put(t.Context(), old, "before"); err != nil {
		t.Fatal(err)
	}
	for _, epoch := range []uint64{1, 2} { // the same epoch as well: a host that was killed and one that follows
		owner := must(t, newPool(t, address), "a", epoch)
		if err := put(t.Context(), owner, "now"); err != nil {
			t.Fatal(err)
		}
		err := put(t.Context(), old, "late")
		if !errors.Is(err, store.ErrStaleEpoch) || !errors.Is(<-old.failures, store.ErrStaleEpoch) {
			t.Fatalf("a late write: %v", err)
		}
		ran := false
		err = old.Device.EventBuffer.DoDecryptionTxn(t.Context(), func(ctx context.Context) error {
			ran = true
			return put(ctx, old, "late")
		})
		if !store.IsFailure(err) || ran {
			t.Fatalf("a late transaction ran %v: %v", ran, err)
		}
		if err = old.Check(t.Context()); !errors.Is(err, store.ErrStaleEpoch) {
			t.Fatalf("check: %v", err)
		}
		if err = old.Device.Save(t.Context()); !store.IsFailure(err) {
			t.Fatalf("a late save: %v", err)
		}
		if get(t, owner) != "now" {
			t.Fatal("a late write has arrived")
		}
		if err = owner.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := open(t, newPool(t, address), "a", 1); !errors.Is(err, store.ErrStaleEpoch) {
		t.Errorf("a lower epoch: %v", err)
	}
}

func TestATakeoverWaitsForATransactionThatIsUnderWay(t *testing.T) {
	address := newDatabase(t)
	old, pool := must(t, newPool(t, address), "a", 1), newPool(t, address)
	link(t, old, "one")
	written, finish := make(chan struct{}), make(chan struct{})
	result := make(chan error, 1)
	go func() {
		result <- old.Device.EventBuffer.DoDecryptionTxn(t.Context(), func(ctx context.Context) error {
			err := put(ctx, old, "in time")
			close(written)
			<-finish
			return err
		})
	}()
	<-written
	took := make(chan string, 1)
	go func() {
		owner, err := open(t, pool, "a", 2)
		if err != nil {
			took <- err.Error()
			return
		}
		took <- get(t, owner)
	}()
	select {
	case value := <-took:
		t.Fatalf("the takeover did not wait: %q", value)
	case <-time.After(200 * time.Millisecond):
	}
	close(finish)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	if value := <-took; value != "in time" {
		t.Errorf("the new owner has %q", value)
	}
}

func TestATransactionThatStandsStillGivesWay(t *testing.T) {
	address := newDatabase(t)
	frozen := must(t, newPool(t, address), "a", 1)
	link(t, frozen, "one")
	err := frozen.Device.EventBuffer.DoDecryptionTxn(t.Context(), func(ctx context.Context) error {
		if err := put(ctx, frozen, "frozen"); err != nil {
			return err
		}
		owner := must(t, newPool(t, address), "a", 2) // comes when the server has ended what stands still
		if get(t, owner) != "" {
			t.Error("half a transaction is there")
		}
		return nil
	})
	if !store.IsFailure(err) {
		t.Errorf("commit of the frozen transaction: %v", err)
	}
}

func TestOfEpochsThatRaceOnlyTheHighestCanWrite(t *testing.T) {
	address := newDatabase(t)
	link(t, must(t, newPool(t, address), "a", 1), "one")
	pools := []*Pool{newPool(t, address), newPool(t, address)}
	var group sync.WaitGroup
	var mu sync.Mutex
	owners := map[uint64]*opening{}
	deadline := time.Now().Add(20 * time.Second)
	for epoch := uint64(2); epoch < 14; epoch++ {
		group.Go(func() {
			owner, err := open(t, pools[epoch%2], "a", epoch)
			if err != nil && !errors.Is(err, store.ErrStaleEpoch) {
				t.Errorf("epoch %d: %v", epoch, err)
			}
			for err == nil { // writes until somebody takes it away, or the highest for a while
				if time.Now().After(deadline) {
					t.Errorf("epoch %d is never refused", epoch)
					return
				}
				if err = put(t.Context(), owner, fmt.Sprint(epoch)); epoch == 13 {
					mu.Lock()
					owners[epoch] = owner
					mu.Unlock()
					return
				}
			}
		})
	}
	group.Wait()
	highest := owners[13]
	if highest == nil {
		t.Fatal("the highest epoch does not own it")
	}
	if err := put(t.Context(), highest, "13"); err != nil || get(t, highest) != "13" {
		t.Errorf("%v", err)
	}
}

func TestFortySessionsShareFourConnections(t *testing.T) {
	address := newDatabase(t)
	pool := newPool(t, address)
	var group sync.WaitGroup
	for number := range 40 {
		group.Go(func() {
			o := must(t, pool, fmt.Sprint("s", number), 1)
			link(t, o, fmt.Sprint(number))
			for round := range 5 {
				err := o.Device.EventBuffer.DoDecryptionTxn(t.Context(), func(ctx context.Context) error {
					if err := put(ctx, o, fmt.Sprint(number, round)); err != nil {
						return err
					}
					same := []wastore.LIDMapping{{
						LID: types.JID{User: fmt.Sprint(900 + round), Server: types.HiddenUserServer},
						PN:  types.JID{User: fmt.Sprint(100 + round), Server: types.DefaultUserServer},
					}}
					return o.Device.LIDs.PutManyLIDMappings(ctx, same)
				})
				if err != nil {
					t.Error(err)
				}
			}
			if get(t, o) != fmt.Sprint(number, 4) {
				t.Errorf("session %d reads another's keys", number)
			}
		})
	}
	group.Wait()
	if open := pool.pool.Stat().TotalConns(); open > 4 {
		t.Errorf("%d connections", open)
	}
}

func TestARemovedDeviceIsKeptForAWeekAndNeverComesBack(t *testing.T) {
	address := newDatabase(t)
	pool := newPool(t, address)
	old := must(t, pool, "a", 1)
	link(t, old, "removed")
	if err := put(t.Context(), old, "old"); err != nil {
		t.Fatal(err)
	}
	if err := old.Device.Delete(t.Context()); err != nil || !old.Removed() {
		t.Fatalf("delete: %v", err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	next := must(t, pool, "a", 2)
	if next.Device.ID != nil {
		t.Fatal("the removed device is back")
	}
	link(t, next, "linked again") // under the same JID
	if get(t, next) != "" {
		t.Error("the new device has keys of the old one")
	}
	if err := pool.tidy(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if n := devices(t, pool); n != 2 {
		t.Errorf("%d devices while the removed one is kept", n)
	}
	if err := pool.tidy(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if n := devices(t, pool); n != 1 || next.Check(t.Context()) != nil {
		t.Errorf("%d devices after a week", n)
	}
}

func devices(t *testing.T, p *Pool) (n int) {
	t.Helper()
	if err := p.pool.QueryRow(t.Context(), "SELECT count(*) FROM whatsmeow_device").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWhatASessionKnowsOfOthersStaysItsOwn(t *testing.T) {
	address := newDatabase(t)
	pool := newPool(t, address)
	a, b := must(t, pool, "a", 1), must(t, pool, "b", 1)
	link(t, a, "a")
	link(t, b, "b")
	lid := types.JID{User: "777", Server: types.HiddenUserServer}
	pn := types.JID{User: "62811", Device: 3, Server: types.DefaultUserServer}
	if err := a.Device.LIDs.PutLIDMapping(t.Context(), lid, pn); err != nil {
		t.Fatal(err)
	}
	again := must(t, pool, "a", 2) // nothing is remembered by the process
	found, err := again.Device.LIDs.GetLIDForPN(t.Context(), pn)
	if err != nil || found.User != "777" || found.Device != 3 {
		t.Errorf("%v, %v", found, err)
	}
	many, err := again.Device.LIDs.GetManyLIDsForPNs(t.Context(), []types.JID{pn, {User: "1", Server: types.DefaultUserServer}})
	if err != nil || len(many) != 1 || many[pn].User != "777" {
		t.Errorf("%v, %v", many, err)
	}
	if other, err := b.Device.LIDs.GetPNForLID(t.Context(), lid); err != nil || !other.IsEmpty() {
		t.Errorf("another session knows %v: %v", other, err)
	}
	chat, at := pn.ToNonAD(), time.Unix(1000, 0)
	if err = again.Device.MsgSecrets.PutMessageSecret(t.Context(), chat, chat, "ID", []byte("secret")); err != nil {
		t.Fatal(err)
	}
	secret, author, err := again.Device.MsgSecrets.GetMessageSecret(t.Context(), lid, lid, "ID")
	if err != nil || string(secret) != "secret" || author.User != "62811" {
		t.Errorf("secret under the other address: %q %v %v", secret, author, err)
	}
	err = again.Device.PrivacyTokens.PutPrivacyTokens(t.Context(), wastore.PrivacyToken{User: lid, Token: []byte("t"), Timestamp: at})
	if err != nil {
		t.Fatal(err)
	}
	token, err := again.Device.PrivacyTokens.GetPrivacyToken(t.Context(), pn)
	if err != nil || token == nil || string(token.Token) != "t" || token.User.User != "62811" {
		t.Errorf("token under the other address: %v %v", token, err)
	}
	hash := [32]byte{1}
	if err = b.Device.EventBuffer.PutBufferedEvent(t.Context(), hash, []byte("x"), at); err != nil {
		t.Fatal(err)
	}
	if _, err = pool.pool.Exec(t.Context(), "UPDATE whatsmeow_event_buffer SET insert_timestamp = 0"); err != nil {
		t.Fatal(err)
	}
	if err = again.Device.EventBuffer.DeleteOldBufferedHashes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if kept, err := b.Device.EventBuffer.GetBufferedEvent(t.Context(), hash); err != nil || kept == nil {
		t.Errorf("another session's hashes are gone: %v", err)
	}
}

func TestStoresThatCannotBeUsedHaveNames(t *testing.T) {
	address := newDatabase(t)
	pool := newPool(t, address)
	q := store.Request{SessionID: "none", Epoch: 1, MustExist: true}
	if _, err := pool.Open(t.Context(), waLog.Noop, q); !errors.Is(err, store.ErrMissing) {
		t.Errorf("missing: %v", err)
	}
	link(t, must(t, pool, "a", 1), "one")
	foreign := newPool(t, address)
	foreign.o.NetworkID = "whatsapp"
	if _, err := open(t, foreign, "a", 2); !errors.Is(err, store.ErrNetworkMismatch) {
		t.Errorf("another network: %v", err)
	}
	for _, damage := range []string{
		"UPDATE session_stores SET jid = 'nonsense' WHERE session_id = 'a'",
		"UPDATE session_stores SET jid = '1:1@s.whatsapp.net'; DELETE FROM whatsmeow_device",
	} {
		if _, err := pool.pool.Exec(t.Context(), damage); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, pool, "a", 3); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: %v", damage, err)
		}
	}
	must(t, pool, "b", 1)
}

func TestADatabaseThatIsAwayIsAStoreFailureAndNothingElse(t *testing.T) {
	p, err := Open(Options{
		URL: "postgresql://user:secret@127.0.0.1:1/none?sslmode=disable", Connections: 2, Limit: time.Second, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	_, err = open(t, p, "a", 1)
	if !store.IsBroken(err) || !store.IsFailure(err) || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	if !store.IsFailure(errors.New("flattened: " + err.Error())) {
		t.Error("the flattened text is not known")
	}
	for _, address := range []string{"", "mysql://root@localhost/x", "postgresql://a:secret@[::1/x", "postgresql://a:secret@h/x?sslmode=nonsense"} {
		if _, err = Open(Options{URL: address}); !errors.Is(err, ErrUnsupported) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestABrokenStatementOutsideOfATransactionLeavesNothing(t *testing.T) {
	o := must(t, newPool(t, newDatabase(t)), "a", 1)
	link(t, o, "one")
	if _, err := o.db.ExecContext(t.Context(), "UPDATE session_stores SET store = NULL"); err == nil || store.IsBroken(err) || !store.IsFailure(err) {
		t.Errorf("a statement's own error: %v", err)
	}
	if _, err := o.db.QueryContext(t.Context(), "DELETE FROM whatsmeow_device RETURNING jid"); !errors.Is(err, errOnlyReads) {
		t.Errorf("a query that writes: %v", err)
	}
	if err := put(t.Context(), o, "well"); err != nil || get(t, o) != "well" {
		t.Error(err)
	}
}
