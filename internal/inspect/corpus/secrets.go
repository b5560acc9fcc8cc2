package corpus

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// crc32bits is the CRC-32 of IEEE 802.3, bit by bit.
func crc32bits(text string) uint32 {
	crc := ^uint32(0)
	for i := range len(text) {
		crc ^= uint32(text[i])
		for range 8 {
			if crc&1 == 1 {
				crc = crc>>1 ^ 0xedb88320
			} else {
				crc >>= 1
			}
		}
	}
	return ^crc
}

// checked returns 30 random characters and six of checksum.
func (m *maker) checked() string {
	const order = digits + upperLetters + lowerLetters
	body := m.from(alnum, 30)
	sum, tail := crc32bits(body), ""
	for range 6 {
		tail = string(order[sum%62]) + tail
		sum /= 62
	}
	return body + tail
}

var secretFrames = []string{
	"%", "export TOKEN=%", "Use % for staging.", "{\"value\":\"%\"}", "key: %\n", "curl -H 'X-Auth: %' https://api.acme.io/v1",
	"2026-03-01T10:00:00Z INFO loaded credential % from disk", "const client = new Client(\"%\");", "- `%`\n- next item", "(%)",
	"config:\n  name: prod\n  value: '%'\n", "the value is %, please rotate it", "https://ci.acme.io/run?x=1 % end", "<td>%</td>", "a\\n%\\nb",
}

func (m *maker) providers() [][2]string {
	aws := upperLetters + "234567"
	return [][2]string{
		{"secret.aws", m.of("AKIA", "ASIA") + m.token(aws, 16)},
		{"secret.github", m.of("ghp_", "gho_", "ghu_", "ghs_", "ghr_") + m.checked()},
		{"secret.github", "github_pat_" + m.token(alnum, 22) + "_" + m.token(alnum, 59)},
		{"secret.gitlab", "glpat-" + m.token(urlSafe, 19) + m.from(alnum, 1)},
		{"secret.slack", m.of("xoxb-", "xoxp-") + m.from(digits, 12) + "-" + m.from(digits, 12) + "-" + m.token(alnum, 24)},
		{"secret.slack", "hooks.slack.com/services/T" + m.token(upperLetters+digits, 9) + "/B" + m.token(upperLetters+digits, 10) + "/" + m.token(alnum, 24)},
		{"secret.stripe", m.of("sk_live_", "rk_live_", "sk_test_") + m.token(alnum, m.n(24, 99))},
		{"secret.ai_provider", "sk-proj-" + m.token(urlSafe, 73) + m.from(alnum, 1)},
		{"secret.ai_provider", "sk-" + m.token(alnum, 48)},
		{"secret.ai_provider", "sk-ant-api03-" + m.token(urlSafe, 92) + "A"},
		{"secret.ai_provider", "hf_" + m.from(letters, 33) + "7"},
		{"secret.google", "AIza" + m.token(urlSafe, 34) + m.from(alnum, 1)},
		{"secret.google", "ya29." + m.token(urlSafe, 100) + m.from(alnum, 1)},
		{"secret.package_registry", "npm_" + m.checked()},
		{"secret.package_registry", "pypi-AgEIcHlwaS5vcmc" + m.token(urlSafe, 130) + "A"},
		{"secret.cloud", "dop_v1_" + m.token(hexDigits, 64)},
		{"secret.messaging", "SG." + m.token(urlSafe, 22) + "." + m.token(urlSafe, 42) + m.from(alnum, 1)},
		{"secret.messaging", "SK" + m.token(hexDigits, 32)},
		{"secret.messaging", fmt.Sprint(m.n(100000000, 999999999)) + "0:AA" + m.token(urlSafe, 33) + m.from(alnum, 1)},
		{"secret.messaging", "MT" + m.token(alnum, 22) + "." + m.token(urlSafe, 6) + "." + m.token(urlSafe, 37) + m.from(alnum, 1)},
		{"secret.messaging", "key-" + m.token(hexDigits, 32)},
		{"secret.commerce", "shpat_" + m.token(hexDigits, 32)},
		{"secret.commerce", "sq0atp-" + m.token(urlSafe, 21) + m.from(alnum, 1)},
		{"secret.developer", "lin_api_" + m.token(alnum, 40)},
	}
}

func (m *maker) password() string {
	p := m.of("Winter", "hunter", "Blue", "dragon", "Kaffee", "sommer", "Tr0ub4dor", "river") + m.of("!", "#", "_", "", "-", "$") + m.token(alnum, m.n(4, 10))
	return p + m.from(digits, 2) + m.of("", "!", "?x")
}

func (m *maker) jwt() string {
	enc := base64.RawURLEncoding.EncodeToString
	head := fmt.Sprintf(`{"alg":"%s","typ":"JWT"}`, m.of("HS256", "RS256", "ES256"))
	body := fmt.Sprintf(`{"sub":"%s","iat":%d}`, m.from(lowerLetters, 8), m.n(1600000000, 1900000000))
	return enc([]byte(head)) + "." + enc([]byte(body)) + "." + m.token(urlSafe, 43)
}

func (m *maker) pem() string {
	kind := m.of("RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY")
	nl := m.of("\n", "\\n")
	var b strings.Builder
	b.WriteString("-----BEGIN " + kind + "-----" + nl)
	for range m.n(3, 20) {
		b.WriteString(m.from(alnum+"+/", 64) + nl)
	}
	return b.String() + "-----END " + kind + "-----"
}

func (m *maker) secrets() {
	for range 22 {
		for _, p := range m.providers() {
			m.plant("secret", p[0], m.of(secretFrames...), p[1])
		}
	}
	named := []string{
		"password=%\n", "DB_PASSWORD=%\n", "password: \"%\"", "{\"user\":\"bob\",\"password\":\"%\"}", "db.password = '%'", "mysql -u root --password=%",
		"The password is %", "Server=db1;Database=x;User Id=sa;Password=%;Encrypt=true", "passwd: %\n", "jdbc:postgresql://db.acme.io/x?user=a&password=%&ssl=true",
	}
	keyed := []string{
		"api_key=%\n", "API_KEY: \"%\"", "client_secret=%&grant_type=x", "{\"access_token\":\"%\",\"expires_in\":3600}", "aws_secret_access_key = %\n",
		"const secretKey = '%';", "auth_token: %\n", "AccountKey=%;EndpointSuffix=core.windows.net", "X-Api-Key: %\n", "token = \"%\"", "SIGNING_KEY='%'",
		"cohere_api_key = %\n", "webhook_secret: '%'",
	}
	for range 160 {
		m.plant("secret", "secret.password", m.of(named...), m.password())
		m.plant("secret", "secret.named_value", m.of(keyed...), m.token(m.of(alnum, hexDigits, urlSafe), m.n(20, 64))+m.from(digits, 1)+m.from(lowerLetters, 1))
	}
	for range 60 {
		m.under("secret", "secret.password", m.of("password", "dbPassword", "user_password", "passwd"), m.password())
		m.under("secret", "secret.named_value", m.of("apiKey", "client_secret", "accessToken", "secret"), m.token(alnum, m.n(20, 48)))
		m.plant("secret", "secret.jwt", m.of(secretFrames...), m.jwt())
		m.plant("secret", "secret.private_key", m.of("%", "key.pem:\n%\n", "{\"private_key\":\"%\"}", "here it is:\n%"), m.pem())
		m.plant("secret", "secret.connection_string", m.of("postgres", "mongodb+srv", "redis", "amqp", "mysql")+"://"+m.from(lowerLetters, 6)+":%@db."+m.from(lowerLetters, 5)+".internal:5432/app", m.token(alnum, m.n(8, 24)))
		m.plant("secret", "secret.authorization", m.of("Authorization: Bearer %\n", "curl -H \"Authorization: Bearer %\" x", "authorization: bearer %"), m.token(urlSafe, m.n(24, 60))+"a9")
		pair := base64.StdEncoding.EncodeToString([]byte(m.from(lowerLetters, 5) + ":" + m.password()))
		m.plant("secret", "secret.authorization", m.of("Authorization: Basic %\n", "-H 'Authorization: Basic %'"), pair)
		m.plant("secret", "secret.azure", "https://acct.blob.core.windows.net/c?sv=2022-11-02&sp=r&sig=%&se=2027", strings.ReplaceAll(m.token(alnum+"+/", 43), "/", "%2F")+"%3D")
	}
	m.noSecrets()
}

func (m *maker) noSecrets() {
	for range 75 {
		not := func(format string, args ...any) { m.not("secret", fmt.Sprintf(format, args...)) }
		not("password=%s", m.of("changeme", "${DB_PASSWORD}", "<your-password>", "********", "xxxxxxxxxxxx", "your_password_here", "{{ .Values.password }}", "password", "$PASSWORD", "%(password)s"))
		not("password: %s", m.of("required", "string", "must be at least 8 characters", "process.env.DB_PASSWORD", "os.environ[\"PW\"]", "getPassword()", "null", "true", "Optional[str]", "hashed with argon2"))
		not("api_key = %s", m.of("\"YOUR_API_KEY\"", "os.getenv(\"API_KEY\")", "config.apiKey", "\"<api-key>\"", "\"xxxxxxxxxxxxxxxxxxxxxxxx\"", "${API_KEY}", "\"my-api-key-placeholder\"", "settings.API_KEY_PRODUCTION_NAME"))
		not("next_page_token=%s", m.token(urlSafe, 40))
		not("csrf_token: %s", m.token(alnum, 32))
		not("cache_key=%s primary_key=%d", m.from(hexDigits, 32), m.n(1, 99999))
		not("commit %s\nAuthor: Bob", m.from(hexDigits, 40))
		not("sha256:%s", m.from(hexDigits, 64))
		not("\"integrity\": \"sha512-%s==\"", m.from(alnum+"+/", 86))
		not("id=%s", m.uuid())
		not("AKIAIOSFODNN7EXAMPLE and wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY are in the %s docs", m.of("AWS", "older", "public"))
		not("ghp_%s", m.token(alnum, 36)) // no checksum
		not("see sk-learn-%s-guide and sk-%s", m.of("pipeline", "metrics"), m.of("toggleable-content", "estimator", "parallel-item"))
		not("data:image/png;base64,%s", m.from(alnum+"+/", m.n(100, 400)))
		not("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI%s bob@host", m.from(alnum, 43))
		not("-----BEGIN %s-----\n%s\n-----END", m.of("CERTIFICATE", "PUBLIC KEY"), m.from(alnum, 64))
		not("max_tokens: %d, total_tokens=%d, token_type: bearer", m.n(1, 9999), m.n(1, 9999))
		not("Bearer %s", m.of("tokens are described below", "authentication is required", "<token>", "$TOKEN", "YOUR_TOKEN_HERE"))
		not("Basic %s", m.of("authentication", "knowledge", "understanding of networks", "dXNlcg"))
		not("postgres://%s@localhost/app", m.of("user:password", "user:${PASS}", "user:<password>", "app"))
		not("the secret is %s", m.of("patience", "to keep stirring", "out", "in the sauce"))
		not("secretName: %s\nserviceAccountToken: false", m.of("my-tls-secret", "db-credentials", "prod-ingress-cert"))
		not("func Token(kind string) (token string, err error) { token = next%s(kind) }", m.of("Token", "One"))
		not("eyJhbGciOi is how every token begins, %s", m.of("as you know", "say the docs"))
		not("etag: \"%s\" x-request-id: %s", m.from(hexDigits, 32), m.token(alnum, 22))
		m.notUnder("secret", m.of("password", "new_password"), m.of("", "string", "********", "must not be empty", "The password of the user"))
		m.notUnder("secret", m.of("nextPageToken", "cursor", "id", "hash", "public_key", "etag"), m.token(alnum, 40))
		m.notUnder("secret", m.of("secret", "token", "apiKey"), m.of("enabled", "The API key to use", "kubernetes.io/service-account-token", "see-vault-for-details", "secret://vault/prod/db"))
	}
}
