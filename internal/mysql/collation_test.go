package mysql_test

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// What a column is made with depends on the server where a migration leaves it to
// the default, which the server that this test runs on may have in common with us.
func TestMigrationsNameTheCollation(t *testing.T) {
	t.Parallel()
	characterSet := regexp.MustCompile(`(?:CHARSET =|CHARACTER SET) \w+( COLLATE)?`)
	for name, migrations := range map[string]fs.FS{"main_db": maindb.Migrations(), "user_db": userdb.Migrations()} {
		files, err := fs.Glob(migrations, "*.sql")
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			text, err := fs.ReadFile(migrations, file)
			require.NoError(t, err)
			for _, found := range characterSet.FindAllStringSubmatch(string(text), -1) {
				require.NotEmpty(t, found[1], "%s %s: %q names no collation", name, file, found[0])
			}
			require.Equal(t, strings.Count(string(text), "CREATE TABLE "),
				strings.Count(string(text), "DEFAULT CHARSET = utf8mb4 COLLATE = "+mysql.Collation+";"), "%s %s: tables", name, file)
		}
	}
}

func TestColumnsHaveTheirCollation(t *testing.T) {
	t.Parallel()
	for name, migrations := range map[string]fs.FS{"main_db": maindb.Migrations(), "user_db": userdb.Migrations()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, _ := mysqltest.New(t, migrations)
			rows, err := db.QueryContext(t.Context(), `SELECT CONCAT(table_name, '.', column_name), collation_name
				FROM information_schema.columns WHERE table_schema = DATABASE() AND data_type IN ('char', 'varchar', 'text', 'mediumtext')
				AND table_name <> 'goose_db_version'`)
			require.NoError(t, err)
			defer func() { require.NoError(t, rows.Close()) }()
			found := map[string]int{}
			for rows.Next() {
				var column, collation string
				require.NoError(t, rows.Scan(&column, &collation))
				require.Contains(t, []string{mysql.Collation, "utf8mb4_bin", "ascii_bin"}, collation, column)
				found[collation]++
			}
			require.NoError(t, rows.Err())
			require.NotZero(t, found[mysql.Collation])
			require.NotZero(t, found["ascii_bin"])
		})
	}
}

// TestTextComparesEquallyOnEveryServer compares as columns, JSON_TABLE's columns and
// bare values do. MariaDB's and MySQL's defaults differ in most of these.
func TestTextComparesEquallyOnEveryServer(t *testing.T) {
	t.Parallel()
	db, _ := mysqltest.New(t, maindb.Migrations())
	_, err := db.ExecContext(t.Context(), `INSERT INTO unofficial_record
		(unofficial_record_id, user_id, record_date, distance_mm, time_ms, title, note, created_at, updated_at)
		VALUES ('r', 'u', '2026-01-01', 1, 1, '', '', NOW(6), NOW(6))`)
	require.NoError(t, err)
	for _, test := range []struct {
		what, a, b string
		equal      bool
	}{
		{"case", "Seoul", "SEOUL", true},
		{"an accent", "Zoë", "zoe", true},
		{"an accent that is a character of its own", "Zoe\u0308", "zoe", false},
		{"a letter with a stroke", "Łukasz", "Lukasz", false},
		{"a sharp s", "Weiß", "Weis", true},
		{"a sharp s for two", "Weiß", "Weiss", false},
		{"Korean", "김민수", "김민수", true},
		{"other Korean", "김민수", "김민서", false},
		{"Korean in letters", "김", "\u1100\u1175\u11b7", false},
		{"a trailing space", "김민수", "김민수 ", true},
		{"a leading space", "김민수", " 김민수", false},
		{"an ideographic space", "김민수", "김민수\u3000", false},
		{"one emoji and another", "🏃", "🏅", true},
		{"an emoji and none", "run 🏃", "run", false},
		{"full width", "ＡＢＣ", "abc", false},
	} {
		_, err := db.ExecContext(t.Context(), "UPDATE unofficial_record SET title = ?", test.a)
		require.NoError(t, err)
		var column, table, value bool
		require.NoError(t, db.QueryRowContext(t.Context(), `SELECT
			(SELECT COUNT(*) FROM unofficial_record WHERE title = ?),
			(SELECT COUNT(*) FROM JSON_TABLE(JSON_ARRAY(?), '$[*]' COLUMNS
				(name VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PATH '$')) AS names WHERE names.name = ?),
			? = ?`, test.b, test.a, test.b, test.a, test.b).Scan(&column, &table, &value))
		require.Equal(t, []bool{test.equal, test.equal, test.equal}, []bool{column, table, value}, test.what)
	}
}

// Who logs in is told apart by every character but trailing spaces, which no login has.
func TestLoginsCompareEquallyOnEveryServer(t *testing.T) {
	t.Parallel()
	db, _ := mysqltest.New(t, userdb.Migrations())
	_, err := db.ExecContext(t.Context(), `INSERT INTO user (user_id, login_id, user_type, name, phone, sex, total_point, created_at, updated_at)
		VALUES ('u', 'zoë@example.com', 'runner', '', '', '', 0, NOW(6), NOW(6))`)
	require.NoError(t, err)
	for login, equal := range map[string]bool{
		"zoë@example.com": true, "zoë@example.com ": true,
		"zoe@example.com": false, "Zoë@example.com": false, "zoe\u0308@example.com": false, "🏃": false,
	} {
		var same bool
		require.NoError(t, db.QueryRowContext(t.Context(),
			"SELECT COUNT(*) FROM user WHERE login_id = ?", login).Scan(&same))
		require.Equal(t, equal, same, login)
	}
}
