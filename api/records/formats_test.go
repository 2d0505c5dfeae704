package records_test

import (
	"net/http"
	"net/url"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImportReadsOtherFormats sends files that are not plain CSV to the call that
// plans and applies in one.
func TestImportReadsOtherFormats(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for file, added := range map[string]int{
		"korean_cp949/records.csv": 8, "raceresult_results/Ergebnisliste.csv": 7, "generic_xlsx/results.xlsx": 8,
		"iof_xml_results/ResultList.xml": 9, "finishlynx_lif/001-1-01.lif": 7, "runscore_fixed/results.txt": 7,
	} {
		data, err := os.ReadFile("../../internal/racefile/testdata/" + file)
		require.NoError(t, err)
		path := b.path + "/import?dry_run=true&name=" + url.QueryEscape(file)
		answer := decode[answered](t, b.call(t, "organizer", http.MethodPost, path, string(data), header{"Content-Type": "application/octet-stream"}), http.StatusOK)
		require.Equal(t, added, answer.Added, file)
	}
	answer := decode[answered](t, b.call(t, "organizer", http.MethodPost, b.path+"/import?dry_run=true", "Bib,Name,Time\n1,Ada,1:20:00\n", csvFile), http.StatusOK)
	require.Equal(t, 1, answer.Added, "a column Time is no longer ignored")
	refused := b.call(t, "organizer", http.MethodPost, b.path+"/import", "PK\x03\x04nothing", csvFile)
	require.Equal(t, http.StatusUnprocessableEntity, refused.Code, refused.Body)
}
