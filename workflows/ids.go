// Package workflows holds the deterministic code of the workflows: the credit of
// one revision, the standings of a race, the audit and the sweep, with their IDs,
// inputs, results and options.
package workflows

import (
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"go.temporal.io/sdk/temporal"
)

// Task queues. Several, so that neither recomputing a race's standings, nor a mail
// server that hangs, nor the offers of a race's places can starve the commits of
// credits, and no series its races' standings.
const (
	RecordsTaskQueue   = "records"
	StandingsTaskQueue = "standings"
	SeriesTaskQueue    = "series"
	MailTaskQueue      = "mail"
	EntriesTaskQueue   = "entries"
	NoticesTaskQueue   = "notices"
	WebhooksTaskQueue  = "webhooks"
)

// Search attributes by which the Web UI finds any credit. All are keywords and
// must be registered before the first start that uses them. They hold IDs, bibs
// and statuses only, because Temporal keeps them in plain text.
var (
	RaceIDKey       = temporal.NewSearchAttributeKeyKeyword("RaceId")
	RecordIDKey     = temporal.NewSearchAttributeKeyKeyword("RecordId")
	BibKey          = temporal.NewSearchAttributeKeyKeyword("Bib")
	RunnerIDKey     = temporal.NewSearchAttributeKeyKeyword("RunnerId")
	CreditStatusKey = temporal.NewSearchAttributeKeyKeyword("CreditStatus")
)

// CreditWorkflowID returns the ID of the workflow that credits one revision of an
// official record: credit/<race>/<record>/r<revision>. A second start finds the
// first workflow.
func CreditWorkflowID(raceID, recordID string, revision int) string {
	return fmt.Sprintf("credit/%s/%s/r%d", raceID, recordID, revision)
}

// ParseCreditWorkflowID returns the revision that the workflow with that ID
// credits; ok is false if it is not such an ID.
func ParseCreditWorkflowID(workflowID string) (CreditInput, bool) {
	parts := strings.Split(workflowID, "/")
	if len(parts) != 4 || parts[0] != "credit" || !strings.HasPrefix(parts[3], "r") {
		return CreditInput{}, false
	}
	revision, err := strconv.Atoi(parts[3][1:])
	if err != nil || revision < 1 {
		return CreditInput{}, false
	}
	return CreditInput{RaceID: parts[1], RecordID: parts[2], Revision: revision}, true
}

// StandingsWorkflowID returns the ID of the workflow that keeps a race's
// standings: standings/<race>.
//
// It has no search attribute: a search by RaceId finds exactly the credits of a
// race, one per revision, and the ID is enough to find this workflow.
func StandingsWorkflowID(raceID string) string { return "standings/" + raceID }

// TraceURL returns the page of a workflow in the Temporal Web UI, which opens its
// latest run. The slashes of the ID are escaped, because otherwise the UI takes
// them for parts of its own paths.
func TraceURL(uiURL, namespace, workflowID string) string {
	return strings.TrimRight(uiURL, "/") +
		"/namespaces/" + url.PathEscape(namespace) +
		"/workflows/" + url.PathEscape(workflowID)
}

// Inputs returns the type of each workflow's input by the workflow's name, nil for
// one without input. The replay test uses it to add the fields of later releases to
// saved inputs.
func Inputs() map[string]reflect.Type {
	return map[string]reflect.Type{
		"CreditRecord": reflect.TypeFor[CreditInput](), "FinalizeRace": reflect.TypeFor[FinalizeInput](),
		"AuditCredits": nil, "SweepStandings": nil, "RebuildTotal": reflect.TypeFor[TotalInput](),
		"SendMail": reflect.TypeFor[MailInput](), "RankSeries": reflect.TypeFor[SeriesInput](),
		"HoldOffer": reflect.TypeFor[OfferInput](), "TellNotice": reflect.TypeFor[NoticeInput](), "DrawRace": reflect.TypeFor[DrawInput](),
		"DeliverWebhook": reflect.TypeFor[WebhookInput](), "PublishPlanned": reflect.TypeFor[PostInput](), "RemindOfTask": reflect.TypeFor[TaskInput](),
	}
}
