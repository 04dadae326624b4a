// Package network decides where WhatsApp is: the real network, or a simulated one under strict conditions.
package network

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

// RealID is the network id of the real WhatsApp network.
const RealID = "whatsapp"

// Options as given on the command line.
type Options struct {
	Kind        string // "whatsapp" or "simulated"
	Address     string // host:port, simulated only
	CAFile      string // PEM, simulated only
	RootKeyFile string // 32 bytes raw, hex or base64, simulated only
	ID          string
}

// Network is a checked configuration with the one HTTP transport that everything shares.
type Network struct {
	ID        string
	Simulated bool
	RootKey   [32]byte // only meaningful when Simulated
	Client    *http.Client
	Gate      *Gate
}

// Guard is asked before bytes may leave.
type Guard interface {
	Allow() error
	Write()
}

// New checks the options. It opens no socket.
func New(o Options, guard Guard) (*Network, error) {
	switch o.Kind {
	case "whatsapp":
		if o.Address != "" || o.CAFile != "" || o.RootKeyFile != "" {
			return nil, errors.New("--network-address, --network-ca and --network-root-key need --network simulated")
		}
		if o.ID != "" && o.ID != RealID {
			return nil, fmt.Errorf("the real network's id is %q, not %q", RealID, o.ID)
		}
		dialer := &net.Dialer{Timeout: 20 * time.Second, KeepAlive: 30 * time.Second}
		return &Network{
			ID:     RealID,
			Client: &http.Client{Transport: transport(guard, dialer.DialContext, http.ProxyFromEnvironment, nil)},
			Gate:   NewGate(10),
		}, nil
	case "simulated":
		return newSimulated(o, guard)
	}
	return nil, fmt.Errorf("unknown network %q", o.Kind)
}

func newSimulated(o Options, guard Guard) (*Network, error) {
	if o.ID == "" || o.ID == RealID {
		return nil, fmt.Errorf("a simulated network needs an id other than %q", RealID)
	}
	address, err := CheckAddress(o.Address)
	if err != nil {
		return nil, err
	}
	key, err := readKey(o.RootKeyFile)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("certificate authority of the simulated network: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", o.CAFile)
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", address)
	}
	return &Network{
		ID: o.ID, Simulated: true, RootKey: key,
		Client: &http.Client{Transport: transport(guard, dial, nil, pool)},
		Gate:   NewGate(0),
	}, nil
}

// CheckAddress accepts loopback and 10.0.0.0/8 (addresses of test namespaces) with a port, nothing else: a foreign root
// key must never meet a public address.
func CheckAddress(address string) (string, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("address of the simulated network: %w", err)
	}
	if host == "localhost" {
		return address, nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return "", fmt.Errorf("address of the simulated network: %w", err)
	}
	if ip = ip.Unmap(); ip.IsLoopback() || netip.MustParsePrefix("10.0.0.0/8").Contains(ip) {
		return address, nil
	}
	return "", fmt.Errorf("a simulated network is accepted on loopback or 10.0.0.0/8 only, not on %s", host)
}

func readKey(path string) (key [32]byte, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return key, fmt.Errorf("root key of the simulated network: %w", err)
	}
	if len(raw) != 32 {
		text := strings.TrimSpace(string(raw))
		if decoded, hexErr := hex.DecodeString(text); hexErr == nil {
			raw = decoded
		} else if decoded, b64Err := base64.StdEncoding.DecodeString(text); b64Err == nil {
			raw = decoded
		}
	}
	if copy(key[:], raw); len(raw) != 32 {
		return key, fmt.Errorf("%s does not hold 32 bytes (raw, hex or base64)", path)
	}
	return key, nil
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func transport(guard Guard, dial dialFunc, proxy func(*http.Request) (*url.URL, error), pool *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy: proxy,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if err := guard.Allow(); err != nil {
				return nil, err
			}
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &guardedConn{Conn: conn, guard: guard}, nil
		},
		TLSClientConfig:       &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(64)},
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConns:          16,
		WriteBufferSize:       4 << 10,
		ReadBufferSize:        4 << 10,
	}
}

// guardedConn asks the dead-man switch before every write: a process that slept past its deadline sends nothing.
type guardedConn struct {
	net.Conn
	guard Guard
}

func (c *guardedConn) Write(b []byte) (int, error) {
	c.guard.Write()
	return c.Conn.Write(b)
}
