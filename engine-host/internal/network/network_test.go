package network

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

type guard struct{ closed bool }

func (g *guard) Allow() error {
	if g.closed {
		return errors.New("closed")
	}
	return nil
}

func (g *guard) Write() {}

func simulated(t *testing.T, address string) Options {
	t.Helper()
	dir := t.TempDir()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	ca, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "root.key")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for path, content := range map[string][]byte{ca: certificate, key: bytes.Repeat([]byte("k"), 32)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Options{Kind: "simulated", Address: address, CAFile: ca, RootKeyFile: key, ID: "sim-1"}
}

func TestASimulatedNetworkIsAcceptedOnLoopbackAndTestNamespacesOnly(t *testing.T) {
	for address, accepted := range map[string]bool{
		"127.0.0.1:7071": true, "127.3.2.1:1": true, "[::1]:7071": true, "localhost:7071": true, "10.77.0.2:443": true,
		"[::ffff:10.1.1.1]:1": true, "192.168.1.2:443": false, "8.8.8.8:443": false, "web.whatsapp.com:443": false,
		"172.16.0.1:1": false, "[::ffff:8.8.8.8]:1": false, "127.0.0.1": false, "": false, "11.0.0.1:1": false,
	} {
		if _, err := New(simulated(t, address), &guard{}); (err == nil) != accepted {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestNetworksAreNotMixed(t *testing.T) {
	sim := simulated(t, "127.0.0.1:1")
	for name, change := range map[string]func(*Options){
		"simulated named whatsapp":    func(o *Options) { o.ID = RealID },
		"simulated without id":        func(o *Options) { o.ID = "" },
		"simulated without root key":  func(o *Options) { o.RootKeyFile = "" },
		"simulated without authority": func(o *Options) { o.CAFile = "" },
		"short root key":              func(o *Options) { o.RootKeyFile = o.CAFile },
		"real with a root key":        func(o *Options) { *o = Options{Kind: "whatsapp", RootKeyFile: o.RootKeyFile} },
		"real with an address":        func(o *Options) { *o = Options{Kind: "whatsapp", Address: o.Address} },
		"real with another id":        func(o *Options) { *o = Options{Kind: "whatsapp", ID: "sim-1"} },
		"unknown kind":                func(o *Options) { o.Kind = "real" },
	} {
		o := sim
		if change(&o); o == sim {
			t.Fatal("test changes nothing")
		}
		if _, err := New(o, &guard{}); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	real, err := New(Options{Kind: "whatsapp"}, &guard{})
	if err != nil || real.ID != RealID || real.Simulated {
		t.Fatalf("%+v %v", real, err)
	}
}

func TestEveryHostNameLeadsToTheSimulatedNetworkAndOnlyWhileAllowed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) })}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	g := &guard{}
	n, err := New(simulated(t, listener.Addr().String()), g)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := n.Client.Get("http://web.whatsapp.com/")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(reply.Body)
	_ = reply.Body.Close()
	if string(body) != "web.whatsapp.com" {
		t.Fatalf("got %q", body)
	}
	n.Client.CloseIdleConnections()
	g.closed = true
	if _, err = n.Client.Get("http://web.whatsapp.com/"); err == nil {
		t.Fatal("dialled although the deadline is near")
	}
}

func TestTheGatePacesLogins(t *testing.T) {
	g := NewGate(100)
	start := time.Now()
	for range 10 {
		if err := g.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took < 80*time.Millisecond {
		t.Fatalf("ten logins at 100 a second took %v", took)
	}
	g.SlowDown()
	g.SlowDown() // the same wave
	if g.rate < 49 || g.rate > 51 {
		t.Fatalf("rate %v after one refusal", g.rate)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if NewGate(0.001).Wait(cancelled) == nil && NewGate(0).Wait(cancelled) == nil {
		t.Fatal("waited for nobody")
	}
	if err := NewGate(0).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}
