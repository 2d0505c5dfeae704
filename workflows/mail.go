package workflows

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
)

// mailAttempt bounds one attempt to send a mail, with what is written before and
// after it.
const mailAttempt = time.Minute

// MailInput names the mail that is sent.
type MailInput = activities.MailInput

// SendMail sends a mail to the owner of an account. It tries for as long as the mail
// is of use, which the step itself decides.
func SendMail(ctx workflow.Context, input MailInput) (activities.MailResult, error) {
	var (
		result activities.MailResult
		mails  *activities.Mails // never set: only used to name the worker's activities
	)
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: mailAttempt,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: 2 * time.Second, BackoffCoefficient: 2, MaximumInterval: 5 * time.Minute,
		},
		Summary: "hand the mail to the provider",
	}), mails.SendMail, input).Get(ctx, &result)
	if err != nil {
		return result, err
	}
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("The mail is %s after %d attempts.", result.State, result.Attempts))
	return result, nil
}

// MailWorkflowID returns the ID of the workflow that sends a mail: mail/<mail>, and
// mail/<mail>/again/<n> of the nth time that an operator has it sent again.
func MailWorkflowID(mailID string, resends int) string {
	if resends == 0 {
		return "mail/" + mailID
	}
	return fmt.Sprintf("mail/%s/again/%d", mailID, resends)
}

// SendMailOptions returns how a mail is sent: once, again only if the workflow
// failed. A start that finds it running or completed is an error, which says that
// nothing is left to do.
func SendMailOptions(mailID string, resends int) client.StartWorkflowOptions {
	summary := "mail to the owner of an account"
	if resends > 0 {
		summary = "mail that an operator has sent again"
	}
	return client.StartWorkflowOptions{
		ID: MailWorkflowID(mailID, resends), TaskQueue: MailTaskQueue,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            summary,
	}
}
