package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// TestChaosOfPeople claims, gives back, merges, separates and hands over results at
// random, corrects and voids races, while the worker, the API and the databases are
// killed in turn. In the end every record is worth what its runner, time, sex and age are
// worth by an independent computation, and belongs to whom the calls gave it.
func TestChaosOfPeople(t *testing.T) {
	t.Parallel()
	p := &peopleChaos{system: ownSystem(t, "people", longSessions), random: rand.New(rand.NewPCG(7, uint64(*chaosPeople))), tables: readTables(t)}
	p.setUp(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.kill(ctx) }()
	done := map[string]int{}
	for range *chaosPeople {
		name, happened := p.step(t)
		if happened {
			done[name]++
		}
	}
	stop()
	require.NoError(t, <-ended)
	t.Logf("%d steps: %v", *chaosPeople, done)
	p.check(t)
}

// longSessions lets a test of many calls do with one login.
func longSessions(opts *stack.Options) { opts.Env[stack.API]["ACCESS_TOKEN_TTL"] = "12h" }

// peopleChaos is races of the same few people, and what the test expects of them.
type peopleChaos struct {
	*system
	random     *rand.Rand
	tables     tables
	organizers []*caller
	runners    []*caller
	operator   *caller
	races      []*peopleRace
}

type peopleRace struct {
	id    string
	owner *caller
	void  bool
	bibs  []*peopleBib
	codes map[string]string
}

// peopleBib is a result with its owner as the calls left it.
type peopleBib struct {
	bib      string
	recordID string
	sex      string
	age      int
	gun      string
	standIn  string
	owner    string // user ID
	former   string // whose it was before the claim
	claim    *caller
	claimID  string
}

const (
	peopleRaces = 5
	peopleBibs  = 6
)

func (p *peopleChaos) setUp(t *testing.T) {
	t.Helper()
	for range 2 {
		p.organizers = append(p.organizers, p.signUp(t, "organizer"))
	}
	for range 4 {
		p.runners = append(p.runners, p.signUp(t, "runner"))
	}
	p.operator = p.system.operator(t)
	for _, c := range slices.Concat(p.organizers, p.runners, []*caller{p.operator}) {
		c.retryUnavailable()
	}
	for i := range peopleRaces {
		r := &peopleRace{owner: p.organizers[i%2]}
		r.id = r.owner.createRace(t, marathon("People "+strconv.Itoa(i)))
		list := "bib,name,sex,age\n"
		for n := range peopleBibs {
			b := &peopleBib{
				bib: strconv.Itoa(n + 1), sex: []string{"F", "M"}[n%2], age: 25 + 5*n, gun: fmt.Sprintf("3:%02d:00", 10+i+n),
				standIn: userdb.StandInID(r.id, strconv.Itoa(n+1)),
			}
			b.owner = b.standIn
			r.bibs = append(r.bibs, b)
			list += fmt.Sprintf("%s,Runner %d,%s,%d\n", b.bib, n, b.sex, b.age)
		}
		r.owner.importStartList(t, r.id, inCSV(list))
		for _, b := range r.bibs {
			b.recordID = r.owner.postRecord(t, r.id, map[string]any{"bib": b.bib, "gun_time": b.gun}).RecordID
		}
		r.codes = r.owner.codes(t, r.id)
		p.races = append(p.races, r)
	}
}

// kill restarts one part after the other until it is stopped.
func (p *peopleChaos) kill(ctx context.Context) error {
	tick := time.NewTicker(3 * time.Second)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		part := []stack.Part{stack.Worker, stack.API, stack.Worker, stack.MariaDB}[i%4]
		if err := p.Restart(context.WithoutCancel(ctx), part); err != nil {
			return err
		}
	}
}

// step does something at random and reports what, and whether it took effect.
func (p *peopleChaos) step(t *testing.T) (name string, happened bool) {
	t.Helper()
	r := p.races[p.random.IntN(len(p.races))]
	b := r.bibs[p.random.IntN(len(r.bibs))]
	switch dice := p.random.IntN(100); {
	case dice < 35:
		return "claim", p.claim(t, r, b)
	case dice < 55:
		return "give back", p.giveBack(t, r, b)
	case dice < 65:
		return "merge", p.merge(t, b)
	case dice < 75:
		return "separate", p.separate(t, r, b)
	case dice < 80:
		return "hand over", p.handOver(t, r)
	case dice < 81:
		return "void", p.voidRace(t, r)
	default:
		return "correct", p.correct(t, r, b)
	}
}

// entered reports whether somebody has an entry of a race.
func (r *peopleRace) entered(userID string) bool {
	return slices.ContainsFunc(r.bibs, func(b *peopleBib) bool { return b.owner == userID })
}

// claim has a runner claim a result with its code. It succeeds unless the runner has
// another one of the race; a taken one is requested and withdrawn again.
func (p *peopleChaos) claim(t *testing.T, r *peopleRace, b *peopleBib) bool {
	t.Helper()
	c := p.runners[p.random.IntN(len(p.runners))]
	body := inJSON(t, map[string]string{"race_id": r.id, "bib": b.bib, "code": r.codes[b.bib]})
	got := c.call(t, http.MethodPost, "/v1/me/claims", body)
	if r.void || r.entered(c.userID) && b.owner != c.userID {
		require.Equal(t, http.StatusConflict, got.status, got.String())
		return false
	}
	var answer claimed
	got.into(t, http.StatusCreated, &answer)
	if b.claim != nil && b.claim != c {
		require.Equal(t, "requested", answer.State)
		c.call(t, http.MethodPost, "/v1/me/claims/"+answer.ClaimID+"/withdraw", payload{}).into(t, http.StatusOK, nil)
		return false
	}
	require.Equal(t, "accepted", answer.State)
	if b.owner != c.userID {
		b.former, b.owner, b.claim, b.claimID = b.owner, c.userID, c, answer.ClaimID
	}
	return true
}

// giveBack withdraws a claim, or has the organizer revoke it.
func (p *peopleChaos) giveBack(t *testing.T, r *peopleRace, b *peopleBib) bool {
	t.Helper()
	if b.claim == nil {
		return false
	}
	var got answer
	if p.random.IntN(2) == 0 {
		got = b.claim.call(t, http.MethodPost, "/v1/me/claims/"+b.claimID+"/withdraw", payload{})
	} else {
		got = r.owner.call(t, http.MethodPost, "/v1/races/"+r.id+"/claims/"+b.claimID+"/refuse", inJSON(t, map[string]string{"reason": "test"}))
	}
	back := ""
	for _, person := range []string{b.former, b.standIn} {
		if !r.entered(person) {
			back = person
			break
		}
	}
	if r.void || back == "" {
		require.Equal(t, http.StatusConflict, got.status, got.String())
		return false
	}
	got.into(t, http.StatusOK, nil)
	b.owner, b.claim = back, nil
	return true
}

// merge says that two stand-ins are the same person.
func (p *peopleChaos) merge(t *testing.T, into *peopleBib) bool {
	t.Helper()
	other := p.races[p.random.IntN(len(p.races))]
	from := other.bibs[p.random.IntN(len(other.bibs))].standIn
	if from == into.standIn {
		return false
	}
	var moved []*peopleBib
	shared := false
	for _, r := range p.races {
		for _, b := range r.bibs {
			if b.owner == from && !r.void {
				moved, shared = append(moved, b), shared || r.entered(into.standIn)
			}
		}
	}
	got := p.operator.call(t, http.MethodPost, "/v1/ops/people/merge", inJSON(t, map[string]string{"from": from, "into": into.standIn, "reason": "test"}))
	if shared {
		require.Equal(t, http.StatusConflict, got.status, got.String())
		return false
	}
	got.into(t, http.StatusOK, nil)
	for _, b := range moved {
		b.owner = into.standIn
	}
	return len(moved) > 0
}

func (p *peopleChaos) separate(t *testing.T, r *peopleRace, b *peopleBib) bool {
	t.Helper()
	got := p.operator.call(t, http.MethodPost, "/v1/ops/people/separate", inJSON(t, map[string]string{"race_id": r.id, "bib": b.bib, "reason": "test"}))
	if r.void || b.claim != nil || b.owner != b.standIn && r.entered(b.standIn) {
		require.Equal(t, http.StatusConflict, got.status, got.String())
		return false
	}
	got.into(t, http.StatusOK, nil)
	happened := b.owner != b.standIn
	b.owner = b.standIn
	return happened
}

// handOver gives a race to the other organizer, by the operator.
func (p *peopleChaos) handOver(t *testing.T, r *peopleRace) bool {
	t.Helper()
	to := p.organizers[0]
	if r.owner == to {
		to = p.organizers[1]
	}
	p.operator.call(t, http.MethodPost, "/v1/races/"+r.id+"/hand-over", inJSON(t, map[string]string{"user_id": to.userID, "reason": "test"})).
		into(t, http.StatusOK, nil)
	r.owner = to
	return true
}

// voidRace leaves at least three races alive.
func (p *peopleChaos) voidRace(t *testing.T, r *peopleRace) bool {
	t.Helper()
	void := 0
	for _, other := range p.races {
		if other.void {
			void++
		}
	}
	if r.void || void >= peopleRaces-3 {
		return false
	}
	r.owner.call(t, http.MethodPost, "/v1/races/"+r.id+"/void", inJSON(t, map[string]string{"reason": "test"})).into(t, http.StatusOK, nil)
	r.void = true
	return true
}

func (p *peopleChaos) correct(t *testing.T, r *peopleRace, b *peopleBib) bool {
	t.Helper()
	if r.void {
		return false
	}
	gun := fmt.Sprintf("3:%02d:%02d", 10+p.random.IntN(40), p.random.IntN(60))
	for {
		found := r.owner.record(t, r.id, b.recordID)
		if millisOf(t, found.GunTime) == millisOf(t, gun) { // an attempt whose answer was lost
			break
		}
		got := r.owner.patch(t, r.id, b.recordID, found.Revision, map[string]any{"gun_time": gun, "reason": "test"})
		if got.status == http.StatusOK {
			break
		}
		got.problem(t, http.StatusPreconditionFailed)
	}
	b.gun = gun
	return true
}

// check waits until everything is credited and compares the ledger with what the steps
// should have led to.
func (p *peopleChaos) check(t *testing.T) {
	t.Helper()
	totals := map[string]int64{}
	for _, c := range p.runners {
		totals[c.userID] = 0
	}
	for _, r := range p.races {
		eventually(t, patience, func() error {
			if left := r.owner.credits(t, r.id); left.Pending > 0 {
				return fmt.Errorf("credits of race %s: %+v", r.id, left)
			}
			return nil
		})
		want := map[string]int64{}
		for _, b := range r.bibs {
			totals[b.standIn] += 0
			if !r.void {
				want[b.recordID] = p.tables.ageGrade(t, b.sex, "Marathon", b.age, millisOf(t, b.gun))
				totals[b.owner] += want[b.recordID]
			} else {
				want[b.recordID] = 0
			}
			require.Equal(t, b.owner, p.participants(t, r.id)[b.bib])
		}
		lines, err := p.ledger(t.Context(), r.id)
		require.NoError(t, err)
		earned := replay(t, lines)
		for recordID, points := range want {
			require.Equal(t, points, earned[recordID], recordID)
		}
	}
	for userID, want := range totals {
		p.total(t, userID, want)
	}
	require.NoError(t, p.balanced(t.Context()))
}
