// Command blazz-engine is Blazz's engine host: it runs WhatsApp sessions for one Python supervisor.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/blazz/blazz/engine-host/internal/crash"
	"github.com/blazz/blazz/engine-host/internal/dbstore"
	"github.com/blazz/blazz/engine-host/internal/host"
	"github.com/blazz/blazz/engine-host/internal/store"
	"go.mau.fi/whatsmeow/binary/token"
)

// version is set by the linker.
var version = "development"

const library = "go.mau.fi/whatsmeow"

func main() {
	command, args := "serve", os.Args[1:]
	if len(args) > 0 && len(args[0]) > 0 && args[0][0] != '-' {
		command, args = args[0], args[1:]
	}
	switch command {
	case "serve":
		os.Exit(serve(args))
	case "dictionary":
		os.Exit(print(dictionary()))
	case "crash-report":
		os.Exit(crashReport(args))
	case "version":
		os.Exit(print(map[string]string{"version": version, "whatsmeow": libraryVersion()}))
	}
	fmt.Fprintf(os.Stderr, "unknown command %q: serve, dictionary, crash-report or version\n", command)
	os.Exit(2)
}

func serve(args []string) int {
	var o host.Options
	var level string
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.StringVar(&o.Socket, "socket", "", "absolute `path` of the Unix socket; must not exist, its directory must have mode 0700")
	flags.StringVar(&o.SessionsDir, "sessions-dir", "", "`directory` of the session stores")
	flags.StringVar(&o.MediaDir, "media-dir", "", "`directory` for files to upload and downloaded files")
	flags.StringVar(&o.Network.Kind, "network", "whatsapp", "whatsapp or simulated")
	flags.StringVar(&o.Network.Address, "network-address", "", "`host:port` of the simulated network (TLS)")
	flags.StringVar(&o.Network.CAFile, "network-ca", "", "PEM `file` with the simulated network's certificate authority")
	flags.StringVar(&o.Network.RootKeyFile, "network-root-key", "", "`file` with the simulated network's 32-byte root key")
	flags.StringVar(&o.Network.ID, "network-id", "", "`id` that every session store must carry")
	flags.DurationVar(&o.AckTimeout, "ack-timeout", 30*time.Second, "how long an event may wait to be stored")
	flags.DurationVar(&o.StartGrace, "start-grace", 15*time.Second, "life without any heartbeat")
	flags.StringVar(&o.SessionStore, "session-store", host.StoresInFiles,
		"where session stores are kept: files, or the PostgreSQL database that "+dbstore.URLVariable+" names")
	flags.IntVar(&o.Database.Connections, "store-connections", 8, "connections to that database, for all sessions together")
	flags.StringVar(&o.StoreSync, "store-sync", "FULL", "SQLite's synchronous setting of session stores: FULL or NORMAL")
	flags.StringVar(&o.StoreJournal, "store-journal", store.JournalWAL, "journal of session stores: wal or delete")
	flags.StringVar(&o.StoreLocks, "store-locks", store.LocksPosix, "file locks of session stores: posix on a local disk, none on a share")
	flags.DurationVar(&o.StoreLimit, "store-timeout", 15*time.Second, "storage that needs longer for one operation counts as hanging")
	flags.DurationVar(&o.StoreIdle, "store-idle-close", 6*time.Second, "an unused store is closed after this; 0 = never")
	flags.StringVar(&o.DeviceName, "device-name", "Blazz", "name shown in the phone's list of linked devices")
	flags.BoolVar(&o.RefreshVersion, "refresh-client-version", false, "replace a client version that WhatsApp refuses by the newest one")
	flags.DurationVar(&o.VersionRetry, "client-version-retry", time.Hour, "how often one session tries whether a refused version is accepted after all")
	flags.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	var logLevel slog.Level
	if err := logLevel.UnmarshalText([]byte(level)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	logs := os.Stderr
	if o.Socket != "" {
		recorder, stderr, err := crash.Start(filepath.Dir(o.Socket))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		o.Crash, logs = recorder, stderr
	}
	o.Database.URL = os.Getenv(dbstore.URLVariable)
	o.Log = slog.New(slog.NewJSONHandler(logs, &slog.HandlerOptions{Level: logLevel}))
	o.Version, o.Library = version, libraryVersion()
	code, err := host.Run(o, os.Stdin, os.Stdout)
	if err != nil {
		o.Log.Error("cannot serve", "error", err.Error())
	}
	return code
}

// crashReport prints how the host that served in a socket directory ended.
func crashReport(args []string) int {
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "usage: blazz-engine crash-report SOCKET-DIRECTORY")
		return 2
	}
	summary, err := crash.Read(args[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return print(summary)
}

// dictionary is the token dictionary of the linked library, for codecs that must speak the same one.
func dictionary() any {
	return struct {
		Version int        `json:"version"`
		Single  []string   `json:"single"`
		Double  [][]string `json:"double"`
	}{token.DictVersion, token.SingleByteTokens[:], token.DoubleByteTokens[:]}
}

func libraryVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, dependency := range info.Deps {
		if dependency.Path == library {
			return dependency.Version
		}
	}
	return ""
}

func print(value any) int {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
