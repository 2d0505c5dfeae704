package activities

// CreditInput names one revision of an official record. IDs only: it is kept
// in workflow histories.
type CreditInput struct {
	RaceID   string `json:"race_id"`
	RecordID string `json:"record_id"`
	Revision int    `json:"revision"`
}
