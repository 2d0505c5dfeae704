package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// TestDeploy deploys one version of API and worker over another while an
// organizer posts and corrects results, rolls back and forward again. At the end
// every record is credited once, as after TestChaos; no call was cut off by an API that
// the load balancer had removed, and the new workers have finished what the old ones
// had started.
func TestDeploy(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	loads := d.burst(t)
	require.NoError(t, d.err(t.Context()))
	d.historiesFit(t)
	for _, l := range loads {
		l.drain(t)
		l.check(t)
	}

	served, broken := d.balancer.outcome()
	t.Logf("%d races of %d records, calls by status: %v, cut off: %v", len(loads), len(d.rows), served, broken)
	require.Empty(t, broken[d.APIURL()], "calls were cut off")
	require.Zero(t, served[http.StatusInternalServerError])
	d.workflowsWentOn(t)
	if d.changed {
		t.Logf("%d workflows took the changed way", d.took(t, changeID))
	}
}

// deployment is a running system, the other version of its programs, and the steps from
// one to the other.
type deployment struct {
	*chaos
	versions
	t        *testing.T
	balancer *balancer
	next     map[stack.Part]*stack.Stack // the next version's processes, once started
	open     []string                    // workflows that waited when the worker that began them had to go
	oldID    string                      // of that worker, as Temporal knows it
	outage   sync.Mutex                  // held while user_db is away, and while a race is made
	ended    chan struct{}
	failure  error // read after ended is closed
}

const recordsPerRace = 60

func newDeployment(t *testing.T) *deployment {
	t.Helper()
	built := bothVersions(t)
	s := ownSystem(t, "deploy", func(opts *stack.Options) { opts.Programs = with(opts.Programs, built.old) })
	d := &deployment{
		chaos: &chaos{system: s, rows: bostonRows(t, recordsPerRace)}, versions: built, t: t,
		balancer: newBalancer(t, s.APIURL()), next: map[stack.Part]*stack.Stack{}, ended: make(chan struct{}),
	}
	s.front = d.balancer.URL
	d.organizer = s.signUp(t, "organizer")
	d.organizer.retryUnavailable()
	return d
}

const (
	// prepared is how many races have their start lists before they are needed: while
	// user_db is away there can be no new ones, and the outage lasts until records that
	// were posted meanwhile wait.
	prepared = 2
	// ahead is how many races the posting may be ahead of their credits.
	ahead = 3
)

// burst posts race after race until the deployment, which begins with the first
// accepted records, is over.
func (d *deployment) burst(t *testing.T) (loads []*load) {
	t.Helper()
	for i := 0; ; i++ {
		select {
		case <-d.ended:
			return loads[:i]
		default:
		}
		loads = d.prepare(t, loads, i)
		loads[i].post(t, func(part int) {
			if i == 0 && part == 0 {
				go d.run()
				t.Cleanup(func() { <-d.ended })
			}
		})
	}
}

// prepare makes the i-th race and the next ones, and waits for the credits of an earlier
// one. During the outage it does neither, while there is a race left to post.
func (d *deployment) prepare(t *testing.T, loads []*load, i int) []*load {
	t.Helper()
	if !d.outage.TryLock() {
		if i < len(loads) {
			return loads
		}
		d.outage.Lock()
	}
	defer d.outage.Unlock()
	for len(loads) < i+prepared {
		loads = append(loads, d.newLoad(t))
	}
	if i >= ahead {
		loads[i-ahead].drain(t)
	}
	return loads
}

// err waits for the end of the deployment.
func (d *deployment) err(ctx context.Context) error {
	select {
	case <-d.ended:
		return d.failure
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run deploys in the order of a release: migrations, worker, API. A rollback leaves the
// migrations in place, which must work with both versions.
func (d *deployment) run() {
	defer close(d.ended)
	ctx := d.t.Context()
	for _, step := range []struct {
		what string
		take func(context.Context) error
	}{
		{"the next version's migrations", d.migrate},
		{"the next worker beside the old one", d.startNext(stack.Worker)},
		{"an outage, and no old worker", d.stopOldWorkerInOutage},
		{"the next API beside the old one", d.startNext(stack.API)},
		{"no old API", d.stopOld(stack.API)},
		{"back: the old worker", d.startOld(stack.Worker)},
		{"back: no next worker", d.stopNext(stack.Worker)},
		{"back: the old API", d.startOld(stack.API)},
		{"back: no next API", d.stopNext(stack.API)},
		{"forward: the next worker", d.startNext(stack.Worker)},
		{"forward: no old worker", d.stopOld(stack.Worker)},
		{"forward: the next API", d.startNext(stack.API)},
		{"forward: no old API", d.stopOld(stack.API)},
	} {
		began := time.Now()
		if err := step.take(ctx); err != nil {
			d.failure = fmt.Errorf("%s: %w", step.what, err)
			return
		}
		d.t.Logf("%s: %s", step.what, time.Since(began).Round(time.Millisecond))
	}
}

// migrate runs the next version's migrations while the old programs are running.
func (d *deployment) migrate(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, d.versions.next[stack.API], "migrate")
	cmd.Env = os.Environ()
	for name, value := range d.MigrateEnv() {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// startNext starts a part of the next version beside the old one and returns
// when it is ready.
func (d *deployment) startNext(part stack.Part) func(context.Context) error {
	return func(ctx context.Context) error {
		if s := d.next[part]; s != nil {
			err := s.StartPart(ctx, part)
			d.sendCalls(part, s)
			return err
		}
		env := d.Env(part)
		delete(env, "API_ADDR")
		delete(env, "WORKER_ADDR")
		dir := filepath.Join(bench.dir, "deploy-next-"+string(part))
		s, err := stack.Start(ctx, stack.Options{
			Dir: dir, Parts: []stack.Part{part}, Programs: d.versions.next, Env: map[stack.Part]map[string]string{part: env},
		})
		if err != nil {
			return err
		}
		d.next[part] = s
		d.t.Cleanup(func() {
			if err := errors.Join(s.Stop(), checkLogs(dir, part)); err != nil {
				d.t.Error(err)
			}
		})
		d.sendCalls(part, s)
		return nil
	}
}

func (d *deployment) startOld(part stack.Part) func(context.Context) error {
	return func(ctx context.Context) error {
		err := d.StartPart(ctx, part)
		d.sendCalls(part, d.Stack)
		return err
	}
}

func (d *deployment) sendCalls(part stack.Part, s *stack.Stack) {
	if part == stack.API {
		d.balancer.add(s.APIURL())
	}
}

// stopOld stops a part of the old version as ECS does: the load balancer sends it no
// more calls, those in progress end, and then it gets SIGTERM.
func (d *deployment) stopOld(part stack.Part) func(context.Context) error {
	return func(context.Context) error {
		if part == stack.API {
			d.balancer.remove(d.APIURL())
		}
		return d.StopPart(part)
	}
}

// stopNext stops a part of the next version without telling the load balancer, as when
// its machine fails. A call that has just connected may be cut off; its caller retries.
func (d *deployment) stopNext(part stack.Part) func(context.Context) error {
	return func(context.Context) error {
		s := d.next[part]
		err := s.StopPart(part)
		if part == stack.API {
			d.balancer.remove(s.APIURL())
		}
		return err
	}
}

// enough is how many workflows of the old worker must be waiting before it stops.
const enough = 5

// stopOldWorkerInOutage cuts off user_db until workflows of the old worker wait for it,
// and then stops that worker: the other version has to finish them.
func (d *deployment) stopOldWorkerInOutage(ctx context.Context) (err error) {
	process, err := os.ReadFile(filepath.Join(d.dir, "run", "worker.pid"))
	if err != nil {
		return err
	}
	d.oldID = strings.TrimSpace(string(process)) + "@"
	d.outage.Lock()
	defer d.outage.Unlock()
	if err := d.userLink.cut(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.userLink.restore(ctx)) }()
	tick := time.NewTicker(5 * glance)
	defer tick.Stop()
	for {
		if d.open, err = d.waitingOf(ctx, d.oldID); err != nil {
			return err
		}
		if len(d.open) >= enough {
			began := time.Now()
			err := d.StopPart(stack.Worker)
			d.t.Logf("the old worker went in %s", time.Since(began).Round(time.Millisecond))
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// waitingOf returns the IDs of workflows that a worker started and that are waiting for
// a database.
func (d *deployment) waitingOf(ctx context.Context, worker string) (ids []string, err error) {
	page, err := d.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Query: "ExecutionStatus = 'Running' AND WorkflowType = 'CreditRecord'", PageSize: 10 * enough,
	})
	if err != nil {
		return nil, err
	}
	for _, found := range page.GetExecutions() {
		id := found.GetExecution().GetWorkflowId()
		now, err := d.temporal.DescribeWorkflowExecution(ctx, id, "")
		if err != nil {
			return nil, err
		}
		first, err := d.temporal.GetWorkflowHistory(ctx, id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT).Next()
		if err != nil {
			return nil, err
		}
		began := first.GetWorkflowExecutionStartedEventAttributes().GetIdentity()
		if len(now.GetPendingActivities()) > 0 && strings.HasPrefix(began, worker) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// workflowsWentOn checks that other workers finished the workflows of the old worker.
func (d *deployment) workflowsWentOn(t *testing.T) {
	t.Helper()
	require.GreaterOrEqual(t, len(d.open), enough)
	for _, id := range d.open {
		finished := d.finishedBy(t, id)
		require.False(t, strings.HasPrefix(finished, d.oldID), "%s was finished by %s", id, finished)
	}
	t.Logf("the old worker left %d open workflows, which others finished", len(d.open))
	d.historiesFit(t)
}

// historiesFit checks that no worker of the next version failed to replay a history.
func (d *deployment) historiesFit(t *testing.T) {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(bench.dir, "deploy-next-worker", "logs", "worker.log"))
	require.NoError(t, err)
	require.NotEmpty(t, log)
	require.NotContains(t, string(log), "TMPRL1100", "the next version cannot replay the workflows of the old one")
}

// finishedBy returns which worker took the last step of a workflow.
func (d *deployment) finishedBy(t *testing.T, id string) (worker string) {
	t.Helper()
	d.completed(t, id)
	events := d.temporal.GetWorkflowHistory(t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(t, err)
		if done := event.GetWorkflowTaskCompletedEventAttributes(); done != nil {
			worker = done.GetIdentity()
		}
	}
	return worker
}

// took counts the workflows that asked for their version of a change and got
// the new one.
func (d *deployment) took(t *testing.T, change string) (n int64) {
	t.Helper()
	eventually(t, patience, func() error {
		var err error
		n, err = d.countWorkflows(t.Context(), fmt.Sprintf("TemporalChangeVersion = '%s-1'", change))
		if err == nil && n == 0 {
			err = errors.New("no workflow took the changed way")
		}
		return err
	})
	return n
}
