package maindb_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// TestNothingIsWrittenAfterLeaving: of calls that are under way while somebody leaves,
// what is written before is erased, or keeps them from leaving, and the others are
// refused.
func TestNothingIsWrittenAfterLeaving(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		writes string // the table
		ready  func(t *testing.T, b *testBundle, userID string) (write func(context.Context) error)
	}{
		{"unofficial_record", writesRecord},
		{"claim", asksForResult},
		{"claim", acceptsResult},
		{"dispute", disputes},
		{"race", organizes},
		{"race_staff", joinsStaff},
		{"race", takesOver},
		{"series", makesSeries},
		{"api_key", makesKey},
		{"import_mapping", remembersMapping},
		{"idempotency_key", reservesKey},
	} {
		t.Run(c.writes, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			ctx, userID := t.Context(), uuid.NewString()
			write := c.ready(t, b, userID)
			callers := 4
			if c.writes == "race" {
				callers = 1 // more would keep the account from leaving for as long as they write
			}
			var calls sync.WaitGroup
			for range callers {
				calls.Go(func() {
					for {
						err := write(ctx)
						if c.writes == "race" && errors.Is(err, race.ErrNotFound) {
							continue // leave has just deleted the race
						}
						if err != nil {
							require.ErrorIs(t, err, race.ErrLeft)
							return
						}
					}
				})
			}
			leave := func() error { return b.leave(ctx, userID) }
			require.Eventually(t, func() bool { return leave() == nil }, time.Minute, time.Millisecond)
			calls.Wait()
			require.NoError(t, leave(), "again, after a crash in between")
			require.ErrorIs(t, write(ctx), race.ErrLeft)
			exported, err := b.store.Export(ctx, userID)
			require.NoError(t, err)
			for _, row := range exported[c.writes] {
				switch c.writes {
				case "claim": // the result stays, without the login it was offered to
					require.Equal(t, string(race.Accepted), row["state"], "%v", row)
					var offered sql.NullString
					require.NoError(t, b.db.QueryRowContext(ctx, "SELECT login_hash FROM claim WHERE claim_id = ?", row["claim_id"]).Scan(&offered))
					require.False(t, offered.Valid)
				case "dispute":
					require.Empty(t, row["wrong"])
					require.NotEqual(t, string(race.DisputeOpen), row["state"])
				default:
					require.Fail(t, "not erased", "%v", row)
				}
			}
			require.Len(t, exported["account_mark"], 1)
		})
	}
}

// leave closes an account as the API does. An owner voids their races first.
func (b *testBundle) leave(ctx context.Context, userID string) error {
	if _, err := b.db.ExecContext(ctx, "DELETE FROM race WHERE organizer_id = ?", userID); err != nil {
		return err
	}
	if err := b.store.LeaveRaces(ctx, userID); err != nil {
		return err
	}
	_, err := b.store.Leave(ctx, userID)
	return err
}

func writesRecord(_ *testing.T, b *testBundle, userID string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := b.store.CreateUnofficialRecord(ctx, race.UnofficialRecord{
			ID: newID(), UserID: userID, Date: race.Date{Year: 2026, Month: 5, Day: 9}, Distance: 5_000_000, Time: 1_300_000, Title: "secret",
		})
		return err
	}
}

func noStandIn(_ context.Context, _, bibKey string) (string, error) { return standIn(bibKey), nil }

// noAccount answers like an account that is gone.
func noAccount(context.Context, string) (maindb.Entry, error) { return maindb.Entry{}, nil }

func asksForResult(t *testing.T, b *testBundle, userID string) func(context.Context) error {
	r := b.created(t, spring(19))
	b.list(t, r.ID, "7")
	return func(ctx context.Context) error {
		_, _, err := b.store.OpenClaim(ctx, maindb.ClaimRequest{ID: newID(), RaceID: r.ID, Bib: "7", UserID: userID, Kind: race.ByBirth}, noStandIn)
		return err
	}
}

// acceptsResult answers an invitation, and takes the answer back.
func acceptsResult(t *testing.T, b *testBundle, userID string) func(context.Context) error {
	r := b.created(t, spring(19))
	b.imports(t, r.ID, invites("7", "hash"))
	claims, err := b.store.ClaimsOfRace(t.Context(), r.ID, "", "", 10)
	require.NoError(t, err)
	require.Len(t, claims, 1)
	return func(ctx context.Context) error {
		if _, _, err := b.store.AcceptInvitation(ctx, claims[0].ID, userID, "hash", noStandIn); err != nil {
			return err
		}
		_, _, err := b.store.EndClaim(ctx, claims[0].ID, userID, "hash", noAccount, noStandIn)
		return err
	}
}

func disputes(t *testing.T, b *testBundle, userID string) func(context.Context) error {
	r := b.created(t, spring(19))
	b.list(t, r.ID, "7")
	_, _, err := b.store.OpenClaim(t.Context(), maindb.ClaimRequest{ID: newID(), RaceID: r.ID, Bib: "7", UserID: userID, Kind: race.ByCode}, noStandIn)
	require.NoError(t, err)
	record := b.post(t, r.ID, finish("7", 6000))
	d := race.Dispute{ID: newID(), RaceID: r.ID, RecordID: record.ID, RunnerID: userID, Wrong: "secret", RightWouldBe: "secret"}
	return func(ctx context.Context) error {
		_, err := b.store.OpenDispute(ctx, d)
		return err
	}
}

func organizes(_ *testing.T, b *testBundle, userID string) func(context.Context) error {
	return func(ctx context.Context) error {
		r := spring(19)
		r.OrganizerID = userID
		_, err := b.store.CreateRace(ctx, r)
		return err
	}
}

func joinsStaff(t *testing.T, b *testBundle, userID string) func(context.Context) error {
	return accepts(t, b, userID, race.Timing)
}

func takesOver(t *testing.T, b *testBundle, userID string) func(context.Context) error {
	return accepts(t, b, userID, race.Owner)
}

// accepts accepts invitations to a new race each time.
func accepts(t *testing.T, b *testBundle, userID string, role race.Role) func(context.Context) error {
	b.created(t, spring(19)) // fails here rather than in the loop when a race cannot be made
	return func(ctx context.Context) error {
		r, err := b.store.CreateRace(ctx, spring(19))
		if err != nil {
			return err
		}
		i := maindb.Invitation{
			ID: newID(), RaceID: r.ID, Role: role, Invited: maindb.Invited{UserID: userID}, By: organizer.By,
			At: b.clock.Now(), ExpiresAt: b.clock.Now().Add(time.Hour),
		}
		if err := b.store.Invite(ctx, i); err != nil {
			return err
		}
		_, err = b.store.AcceptStaffInvitation(ctx, i.ID, i.Invited, true)
		return err
	}
}

func makesSeries(_ *testing.T, b *testBundle, userID string) func(context.Context) error {
	return func(ctx context.Context) error {
		n := maindb.Series{ID: newID(), OrganizerID: userID, Name: "secret"}
		if _, err := b.store.CreateSeries(ctx, n); err != nil {
			return err
		}
		// Only so many are allowed; one that is no longer there was erased.
		if err := b.store.DeleteSeries(ctx, n.ID); !errors.Is(err, race.ErrNotFound) {
			return err
		}
		return nil
	}
}

func makesKey(_ *testing.T, b *testBundle, userID string) func(context.Context) error {
	return func(ctx context.Context) error {
		k := maindb.APIKey{ID: newID(), CreatedBy: userID, Name: "secret", Scope: auth.ScopeRead, CreatedAt: b.clock.Now(), ExpiresAt: b.clock.Now().Add(time.Hour)}
		if err := b.store.AddKey(ctx, k, uuid.NewString(), func(context.Context) error { return nil }); err != nil {
			return err
		}
		// Only so many may be usable at a time; one that is no longer there was erased.
		if err := b.store.RevokeKey(ctx, "", userID, k.ID); !errors.Is(err, race.ErrNotFound) {
			return err
		}
		return nil
	}
}

func remembersMapping(_ *testing.T, b *testBundle, userID string) func(context.Context) error {
	return func(ctx context.Context) error {
		shape := sha256.Sum256([]byte(uuid.NewString()))
		return b.store.RememberMapping(ctx, userID, string(shape[:]), maindb.Mapping{"secret": "name"})
	}
}

func reservesKey(_ *testing.T, b *testBundle, userID string) func(context.Context) error {
	return func(ctx context.Context) error {
		key := sha256.Sum256([]byte(uuid.NewString()))
		if _, err := b.store.ReserveKey(ctx, key, key, newID(), userID); err != nil {
			return err
		}
		return b.store.SaveResponse(ctx, key, 201, []byte(`"secret"`))
	}
}
