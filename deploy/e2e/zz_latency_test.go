package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
)

var _ client.Client

func TestZZLatency(t *testing.T) {
	b := startBoston(t, sharedSystem(t), 300)
	b.importAll(t)
	b.check(t)
	leader := b.rows[0]
	for i := range 6 {
		row := leader
		if i%2 == 0 {
			row.status = "DQ"
		}
		v := b.anonymous().standings(t, b.raceID, "runner").Version
		began := time.Now()
		b.change(t, leader.bib, map[string]any{"status": row.status}, b.book.marathonOutcome(t, row))
		patched := time.Since(began)
		var credited time.Duration
		eventually(t, patience, func() error {
			if c := b.organizer.credits(t, b.raceID); c.Pending > 0 {
				return fmt.Errorf("pending")
			}
			return nil
		})
		credited = time.Since(began)
		eventually(t, patience, func() error {
			if b.anonymous().standings(t, b.raceID, "runner").Version <= v {
				return fmt.Errorf("old")
			}
			return nil
		})
		t.Log("patched", patched, "credited", credited, "visible", time.Since(began))
		time.Sleep(3 * time.Second)
	}
	it := b.temporal.GetWorkflowHistory(t.Context(), "standings/"+b.raceID, "", false, 0)
	for it.HasNext() {
		e, err := it.Next()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(e.GetEventTime().AsTime().Format("05.000"), e.GetEventType())
	}
	_ = http.MethodGet
}
