package settings

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type database struct {
	Addr     string `env:"ADDR,required" check:"host:port" help:"the server"`
	Password string `env:"PASSWORD,required" secret:"true" help:"its password"`
	Conns    int    `env:"CONNS" envDefault:"16" max:"500" unit:"connections" help:"the most"`
	TLS      bool   `env:"TLS" envDefault:"false" help:"encrypt"`
	CA       string `env:"CA" check:"PEM" help:"whom to trust"`
}

func (d database) Check(prefix string) error {
	if d.CA != "" && !d.TLS {
		return errors.New(prefix + "CA is set, but " + prefix + "TLS is false")
	}
	return nil
}

type config struct {
	Main    database       `envPrefix:"MAIN_"`
	User    database       `envPrefix:"USER_"`
	Listen  string         `env:"LISTEN" envDefault:":8080" check:":port" help:"where it serves"`
	Site    string         `env:"SITE" check:"URL" help:"the site"`
	Every   time.Duration  `env:"EVERY" envDefault:"5m" help:"how often"`
	Wait    time.Duration  `env:"WAIT" envDefault:"20s" min:"0s" max:"20s" help:"how long"`
	Level   slog.Level     `env:"LEVEL" envDefault:"info" help:"what is logged"`
	Proxies []netip.Prefix `env:"PROXIES" help:"whom to believe"`
	Name    string         `env:"NAME" envDefault:"nobody" help:"a name"`
	other   string
}

var right = []string{"MAIN_ADDR=db:3306", "MAIN_PASSWORD=one", "USER_ADDR=db:3307", "USER_PASSWORD=two"}

func read(t *testing.T, environ ...string) (config, error) {
	t.Helper()
	var c config
	err := Read(&c, append(append([]string(nil), right...), environ...))
	require.Empty(t, c.other)
	return c, err
}

func TestReadTakesDefaults(t *testing.T) {
	t.Parallel()
	c, err := read(t, "NAME=", "SITE=")
	require.NoError(t, err)
	require.Equal(t, config{
		Main: database{Addr: "db:3306", Password: "one", Conns: 16}, User: database{Addr: "db:3307", Password: "two", Conns: 16},
		Listen: ":8080", Every: 5 * time.Minute, Wait: 20 * time.Second, Level: slog.LevelInfo, Name: "nobody",
	}, c)
}

func TestReadTakesValues(t *testing.T) {
	t.Parallel()
	c, err := read(t, "MAIN_CONNS=500", "USER_TLS=true", "LISTEN=127.0.0.1:0", "SITE=https://example.org/x", "EVERY=90s",
		"WAIT=0s", "LEVEL=debug", "PROXIES=10.0.0.0/8,fd00::/8", "NAME=a name")
	require.NoError(t, err)
	require.Equal(t, 500, c.Main.Conns)
	require.True(t, c.User.TLS)
	require.Equal(t, "127.0.0.1:0", c.Listen)
	require.Equal(t, "https://example.org/x", c.Site)
	require.Equal(t, 90*time.Second, c.Every)
	require.Zero(t, c.Wait)
	require.Equal(t, slog.LevelDebug, c.Level)
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}, c.Proxies)
	require.Equal(t, "a name", c.Name)
}

func TestReadNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	const duration = ", such as 90s, 15m or 24h, not "
	for setting, want := range map[string]string{
		"MAIN_ADDR=db":          `MAIN_ADDR must be host:port such as db.example.org:3306, not "db"`,
		"MAIN_ADDR=:3306":       `MAIN_ADDR must be host:port such as db.example.org:3306, not ":3306"`,
		"MAIN_ADDR=db:70000":    `MAIN_ADDR must be host:port such as db.example.org:3306, not "db:70000"`,
		"MAIN_ADDR=":            `MAIN_ADDR is not set: the server (host:port)`,
		"MAIN_PASSWORD=":        `MAIN_PASSWORD is not set: its password; or name a file that holds it by MAIN_PASSWORD_FILE`,
		"MAIN_CONNS=0":          `MAIN_CONNS must be a whole number from 1 to 500, not "0"`,
		"MAIN_CONNS=501":        `MAIN_CONNS must be a whole number from 1 to 500, not "501"`,
		"MAIN_CONNS=many":       `MAIN_CONNS must be a whole number from 1 to 500, not "many"`,
		"MAIN_TLS=perhaps":      `MAIN_TLS must be true or false, not "perhaps"`,
		"MAIN_CA=x":             `MAIN_CA must be PEM: text from -----BEGIN … to -----END …, not "x"`,
		"LISTEN=8080":           `LISTEN must be :port or host:port such as :8080, not "8080"`,
		"LISTEN=:http":          `LISTEN must be :port or host:port such as :8080, not ":http"`,
		"SITE=example.org":      `SITE must be a URL that begins with http:// or https://, not "example.org"`,
		"SITE=ftp://a.b":        `SITE must be a URL that begins with http:// or https://, not "ftp://a.b"`,
		"EVERY=5":               `EVERY must be a duration above zero` + duration + `"5"`,
		"EVERY=0s":              `EVERY must be a duration above zero` + duration + `"0s"`,
		"EVERY=-1m":             `EVERY must be a duration above zero` + duration + `"-1m"`,
		"WAIT=21s":              `WAIT must be a duration of at least 0s and at most 20s` + duration + `"21s"`,
		"LEVEL=loud":            `LEVEL must be one of debug, info, warn, error, not "loud"`,
		"PROXIES=10.0.0.0":      `PROXIES must be networks such as 10.0.0.0/8,fd00::/8, without blanks, not "10.0.0.0"`,
		"USER_CA=" + shortPEM:   `USER_CA is set, but USER_TLS is false`,
		"USER_CA_FILE=/nowhere": `USER_CA_FILE: open /nowhere: no such file or directory`,
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			_, err := read(t, setting)
			require.EqualError(t, err, want)
		})
	}
}

const shortPEM = `-----BEGIN X-----\nAAAA\n-----END X-----`

func TestReadNamesAllThatIsWrong(t *testing.T) {
	t.Parallel()
	var c config
	err := Read(&c, []string{"MAIN_PASSWORD=hunter2", "USER_ADDR=db:1", "USER_PASSWORD=hunter3", "USER_CA=" + shortPEM, "EVERY=soon"})
	require.ErrorContains(t, err, "MAIN_ADDR is not set")
	require.ErrorContains(t, err, `"soon"`)
	require.ErrorContains(t, err, "USER_CA is set, but USER_TLS is false")
	require.NotContains(t, err.Error(), "hunter")
}

func TestReadTakesSecretsFromFiles(t *testing.T) {
	t.Parallel()
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	c, err := read(t, "MAIN_PASSWORD=", "MAIN_PASSWORD_FILE="+file("password", " a b\r\n"), "MAIN_TLS=true",
		"MAIN_CA_FILE="+file("ca.pem", strings.ReplaceAll(shortPEM, `\n`, "\n")+"\n"))
	require.NoError(t, err)
	require.Equal(t, " a b", c.Main.Password)
	require.Equal(t, strings.ReplaceAll(shortPEM, `\n`, "\n"), c.Main.CA)

	_, err = read(t, "MAIN_PASSWORD_FILE="+file("password", "x"))
	require.EqualError(t, err, "MAIN_PASSWORD and MAIN_PASSWORD_FILE are both set: unset one of them")
	empty := file("password", "\n")
	_, err = read(t, "MAIN_PASSWORD=", "MAIN_PASSWORD_FILE="+empty)
	require.EqualError(t, err, "MAIN_PASSWORD_FILE: "+empty+" is empty")
	_, err = read(t, "NAME_FILE="+empty) // no secret: not a setting
	require.NoError(t, err)
}

func TestASecretOfTheWrongFormIsNotShown(t *testing.T) {
	t.Parallel()
	var c struct {
		Key string `env:"KEY" check:"PEM" secret:"true" help:"a key"`
	}
	require.EqualError(t, Read(&c, []string{"KEY=hunter2"}), "KEY must be PEM: text from -----BEGIN … to -----END …")
}

func TestOf(t *testing.T) {
	t.Parallel()
	list := Of(&config{})
	require.Len(t, list, 17)
	byName := map[string]Setting{}
	for _, s := range list {
		s.kind = nil
		byName[s.Name] = s
	}
	require.Equal(t, Setting{Name: "MAIN_ADDR", Help: "the server", Unit: "host:port", Required: true, check: "host:port"}, byName["MAIN_ADDR"])
	require.Equal(t, Setting{Name: "USER_PASSWORD", Help: "its password", Unit: "text", Required: true, Secret: true, File: true}, byName["USER_PASSWORD"])
	require.Equal(t, Setting{Name: "MAIN_CONNS", Help: "the most", Unit: "connections", Default: "16", max: "500"}, byName["MAIN_CONNS"])
	require.Equal(t, "duration", byName["EVERY"].Unit)
	require.Equal(t, "true, false", byName["MAIN_TLS"].Unit)
	require.Equal(t, "debug, info, warn, error", byName["LEVEL"].Unit)
	require.Equal(t, "CIDRs, with commas", byName["PROXIES"].Unit)
	require.True(t, byName["MAIN_CA"].File)
}

func TestStrays(t *testing.T) {
	t.Parallel()
	known := Of(&config{})
	require.Equal(t, map[string]string{
		"MAIN_ADR": "MAIN_ADDR", "MIAN_PASSWORD": "MAIN_PASSWORD", "USER_PASSWORD_FIL": "USER_PASSWORD_FILE",
	}, Strays([]string{"MAIN_ADR=x", "MIAN_PASSWORD=x", "USER_PASSWORD_FIL=x", "MAIN_ADDR=x", "USER_CA_FILE=x", "HOME=x", "PATH=x", "API_PORT=x"}, known))
	require.Empty(t, Strays([]string{"LANG=x", "NAMES=x"}, known), "short names resemble too much")
}
