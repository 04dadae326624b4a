package dbstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/store/sqlstore/upgrades"
	"go.mau.fi/whatsmeow/types"
	waLog "go.mau.fi/whatsmeow/util/log"
)

const (
	// ourVersion of the tables beside whatsmeow's, which have a version of their own (libraryVersionTable).
	ourVersion          = 1
	libraryVersionTable = "session_library_version"
	migrationLock       = 0x626c617a7a // "blazz"
	staleState          = "BZ001"      // SQLSTATE of a write under an epoch that is over
	asideFor            = 7 * 24 * time.Hour
	asideBatch          = 50
)

// tables: a session's row says which rows of whatsmeow's tables are its own (`store`, see keyOf) and who may write them.
// `opening` rises at every opening: a host that was killed may have a statement on its way that the database executes
// after the next host opened the same epoch.
const tables = `
CREATE TABLE session_stores (
	session_id TEXT PRIMARY KEY,
	epoch      BIGINT NOT NULL,
	opening    BIGINT NOT NULL,
	store      BIGINT NOT NULL UNIQUE,
	jid        TEXT,
	network_id TEXT NOT NULL,
	created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
	opened_at  TIMESTAMPTZ
);
CREATE SEQUENCE store_numbers AS BIGINT;
CREATE TABLE removed_stores (
	store      BIGINT PRIMARY KEY,
	session_id TEXT NOT NULL,
	jid        TEXT,
	removed_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX removed_stores_removed_at ON removed_stores (removed_at);

CREATE FUNCTION fence(wanted TEXT, held_epoch BIGINT, held_opening BIGINT) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM 1 FROM blazz_sessions.session_stores
	WHERE session_id = wanted AND epoch = held_epoch AND opening = held_opening FOR SHARE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'another owner has taken the session' USING ERRCODE = 'BZ001';
	END IF;
END $$;

CREATE FUNCTION set_aside(wanted TEXT, held_epoch BIGINT) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM 1 FROM blazz_sessions.session_stores
	WHERE session_id = wanted AND epoch <= held_epoch AND jid IS NOT NULL FOR UPDATE;
	IF FOUND THEN
		INSERT INTO blazz_sessions.removed_stores (store, session_id, jid)
		SELECT store, session_id, jid FROM blazz_sessions.session_stores WHERE session_id = wanted;
		UPDATE blazz_sessions.session_stores
		SET store = nextval('blazz_sessions.store_numbers'), jid = NULL, opening = opening + 1 WHERE session_id = wanted;
	END IF;
END $$;

CREATE FUNCTION store_bytes(wanted BIGINT) RETURNS BIGINT LANGUAGE sql STABLE AS $$
	SELECT coalesce(sum(bytes), 0)::BIGINT FROM (
		SELECT sum(pg_column_size(t.session)) AS bytes FROM blazz_sessions.whatsmeow_sessions t WHERE our_jid = 's' || wanted || '@store'
		UNION ALL SELECT sum(pg_column_size(t.identity)) FROM blazz_sessions.whatsmeow_identity_keys t WHERE our_jid = 's' || wanted || '@store'
		UNION ALL SELECT sum(pg_column_size(t.key)) FROM blazz_sessions.whatsmeow_pre_keys t WHERE jid = 's' || wanted || '@store'
		UNION ALL SELECT sum(pg_column_size(t.sender_key)) FROM blazz_sessions.whatsmeow_sender_keys t WHERE our_jid = 's' || wanted || '@store'
		UNION ALL SELECT sum(pg_column_size(t.value_mac) + pg_column_size(t.index_mac)) FROM blazz_sessions.whatsmeow_app_state_mutation_macs t WHERE jid = 's' || wanted || '@store'
		UNION ALL SELECT sum(pg_column_size(t.key)) FROM blazz_sessions.whatsmeow_message_secrets t WHERE our_jid = 's' || wanted || '@store'
		UNION ALL SELECT sum(pg_column_size(t.ciphertext_hash) + coalesce(pg_column_size(t.plaintext), 0)) FROM blazz_sessions.whatsmeow_event_buffer t WHERE our_jid = 's' || wanted || '@store'
		UNION ALL SELECT sum(pg_column_size(t.plaintext)) FROM blazz_sessions.whatsmeow_retry_buffer t WHERE our_jid = 's' || wanted || '@store'
	) AS parts
$$;
`

// keyOf is what a store's rows carry in whatsmeow's tables where its own files have the device's JID. A JID would not do:
// a device that is linked again may get the number of the removed one, whose rows are kept for a week, and whatsmeow
// would then overwrite only half of them.
func keyOf(number int64) types.JID {
	return types.JID{User: "s" + strconv.FormatInt(number, 10), Server: "store"}
}

// prepare makes or brings up to date the schema, once per host; hosts that start together take turns.
func (p *Pool) prepare(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ready {
		return nil
	}
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return failed(ctx, err)
	}
	defer conn.Release()
	if _, err = conn.Exec(ctx, "SELECT pg_advisory_lock($1)", migrationLock); err != nil {
		return failed(ctx, err)
	}
	defer func() {
		_, unlockErr := conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", migrationLock)
		if unlockErr != nil {
			_ = conn.Conn().Close(context.WithoutCancel(ctx)) // the lock ends with its connection
		}
	}()
	if err = migrate(ctx, conn.Conn()); err != nil {
		return fmt.Errorf("make the schema of session stores: %w", failed(ctx, err))
	}
	p.ready = true
	return nil
}

func migrate(ctx context.Context, conn *pgx.Conn) error {
	var there bool
	if err := conn.QueryRow(ctx, "SELECT to_regnamespace($1) IS NOT NULL", Schema).Scan(&there); err != nil {
		return err
	}
	if !there {
		if _, err := conn.Exec(ctx, "CREATE SCHEMA "+Schema); err != nil {
			return err
		}
	}
	if err := migrateLibrary(ctx, conn); err != nil {
		return err
	}
	version := 0
	err := conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", Schema+".session_store_version").Scan(&there)
	if err == nil && there {
		err = conn.QueryRow(ctx, "SELECT version FROM session_store_version").Scan(&version)
	}
	if err != nil || version >= ourVersion {
		return err // tables of a newer version still serve this one: it only adds
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, fmt.Sprintf(
			"CREATE TABLE session_store_version AS SELECT %d AS version; %s", ourVersion, tables))
		return err
	})
}

// migrateLibrary brings whatsmeow's tables up to date, on the connection that holds the lock.
func migrateLibrary(ctx context.Context, conn *pgx.Conn) error {
	db := stdlib.OpenDB(*conn.Config())
	defer db.Close()
	wrapped, err := library(db)
	if err != nil {
		return err
	}
	if err = sqlstore.NewWithWrappedDB(wrapped, waLog.Noop).Upgrade(ctx); errors.Is(err, dbutil.ErrUnsupportedDatabaseVersion) {
		return fmt.Errorf("the session stores were used by a newer version: %w", err)
	}
	return err
}

// library wraps a handle for whatsmeow. Its usual name of the version table is looked up in all schemas, so that another
// program's whatsmeow in the same database would be taken for ours.
func library(db *sql.DB) (*dbutil.Database, error) {
	wrapped, err := dbutil.NewWithDB(db, "pgx")
	if err != nil {
		return nil, err
	}
	wrapped.UpgradeTable = upgrades.Table
	wrapped.VersionTable = libraryVersionTable
	return wrapped, nil
}

// tidy deletes stores that were set aside longer ago than the age, in batches.
func (p *Pool) tidy(ctx context.Context, age time.Duration) error {
	if err := p.prepare(ctx); err != nil {
		return err
	}
	for {
		var deleted int
		err := pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, "SELECT store FROM removed_stores WHERE removed_at <= now() - make_interval(secs => $1)"+
				" ORDER BY store LIMIT $2 FOR UPDATE SKIP LOCKED", age.Seconds(), asideBatch)
			if err != nil {
				return err
			}
			numbers, err := pgx.CollectRows(rows, pgx.RowTo[int64])
			if err != nil || len(numbers) == 0 {
				return err
			}
			deleted = len(numbers)
			return deleteStores(ctx, tx, numbers)
		})
		if err != nil {
			return failed(ctx, err)
		}
		if deleted < asideBatch {
			return nil
		}
	}
}

func deleteStores(ctx context.Context, tx pgx.Tx, numbers []int64) error {
	keys, prefixes := make([]string, len(numbers)), make([]string, len(numbers))
	for i, number := range numbers {
		keys[i], prefixes[i] = keyOf(number).String(), keyOf(number).User
	}
	for _, step := range []struct {
		query string
		which any
	}{
		{"DELETE FROM whatsmeow_device WHERE jid = ANY($1)", keys}, // and all that refers to it
		{"DELETE FROM whatsmeow_privacy_tokens WHERE our_jid = ANY($1)", keys},
		{"DELETE FROM whatsmeow_lid_map WHERE split_part(lid, '/', 1) = ANY($1)", prefixes},
		{"DELETE FROM removed_stores WHERE store = ANY($1)", numbers},
	} {
		if _, err := tx.Exec(ctx, step.query, step.which); err != nil {
			return err
		}
	}
	return nil
}
