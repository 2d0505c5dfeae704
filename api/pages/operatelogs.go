package pages

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"github.com/mrmrthon/mrmrthon/api/changes"
	"github.com/mrmrthon/mrmrthon/api/ops"
	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
)

// logView is a list of what was done.
type logView[T any] struct {
	items []T
	more  string
}

// loggedActions are the names of operators' actions, for the filter of their log.
var loggedActions = []repair.Action{
	repair.RetryCredit, repair.RetryCredits, "reset-credit", repair.RedriveLetters, repair.DiscardLetter, repair.RunAudit, repair.RebuildTotal, repair.RecomputeRace,
	repair.RankSeries, repair.VoidRace, repair.HandOverRace, repair.SuspendUser, repair.RestoreUser, repair.RemovePasskeys, repair.Verify, repair.Unverify,
	repair.MergePeople, repair.SeparatePerson, repair.ReplayDelivery, repair.ResendMail,
}

func (s *site) actions(ctx context.Context, v *visit) (page, error) {
	action := v.get("action")
	if action != "" && !slices.Contains(loggedActions, repair.Action(action)) {
		v.blame("action", v.T("operate.wrong.action"))
	}
	var view logView[ops.ShownAction]
	if !v.form.refused() {
		var next string
		var err error
		if view.items, next, err = s.Operations.Actions(ctx, action, v.get("target"), v.partOfList()); err != nil {
			return page{}, err
		}
		if next != "" {
			view.more = v.here("cursor", next)
		}
	}
	return page{title: v.T("operate.actions"), body: actionsBody(v, view)}, nil
}

func (s *site) allChanges(ctx context.Context, v *visit) (page, error) {
	if id := v.get("race_id"); id != "" && !server.IsID(id) {
		v.blame("race_id", v.T("operate.wrong.race"))
	}
	var view logView[changes.LoggedChange]
	if !v.form.refused() {
		var next string
		var err error
		if view.items, next, err = s.Changes.All(ctx, v.get("action"), v.get("actor"), v.get("race_id"), v.partOfList()); err != nil {
			return page{}, err
		}
		if next != "" {
			view.more = v.here("cursor", next)
		}
	}
	return page{title: v.T("operate.changes"), body: allChangesBody(v, view)}, nil
}

// pretty writes a state for people, and nothing for null.
func pretty(state json.RawMessage) string {
	if len(state) == 0 || string(state) == "null" || string(state) == "{}" {
		return ""
	}
	var out bytes.Buffer
	if err := json.Indent(&out, state, "", "  "); err != nil {
		return string(state)
	}
	return out.String()
}

// targetPath is the page about what an action was done to, empty if there is none.
func targetPath(a ops.ShownAction) string {
	if !server.IsID(a.Target) {
		return ""
	}
	switch repair.Action(a.Action) { //nolint:exhaustive // other actions have no page
	case repair.RetryCredit, "reset-credit":
		return creditsPath + "/" + a.Target
	case repair.RecomputeRace, repair.VoidRace, repair.HandOverRace, repair.SeparatePerson:
		return opRacesPath + "/" + a.Target
	case repair.SuspendUser, repair.RestoreUser, repair.RemovePasskeys, repair.Verify, repair.Unverify:
		return accountsPath + "/" + a.Target
	}
	return ""
}

func (v *visit) actionChoices() []option {
	list := []option{{"", v.T("operate.action.all")}}
	for _, one := range loggedActions {
		list = append(list, option{string(one), v.word("operate.did", string(one))})
	}
	return list
}
