package workflows

import "github.com/mrmrthon/mrmrthon/activities"

// CreditInput names the revision of an official record that CreditRecord
// credits.
type CreditInput = activities.CreditInput
