package check_test

import (
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// after puts a line behind the first line that has a text.
func after(mark string, lines ...string) func(string) (string, bool) {
	return func(text string) (string, bool) {
		head, rest, ok := strings.Cut(text, mark)
		if !ok {
			return text, false
		}
		line, tail, _ := strings.Cut(rest, "\n")
		return head + mark + line + "\n" + strings.Join(lines, "\n") + "\n" + tail, true
	}
}

// instead puts a text in the place of another.
func instead(old, text string) func(string) (string, bool) {
	return func(in string) (string, bool) { return strings.Replace(in, old, text, 1), strings.Contains(in, old) }
}

// behind appends lines.
func behind(lines string) func(string) (string, bool) {
	return func(in string) (string, bool) { return strings.TrimRight(in, "\n") + "\n" + lines + "\n", true }
}

func textFaults() []fault {
	var out []fault
	add := func(kind rule.Kind, id, name string, plants ...func(string) (string, bool)) {
		for _, p := range plants {
			out = append(out, fault{kind: kind, name: name, rule: kind.Prefix() + id, text: p})
		}
	}
	d := rule.Dockerfile
	add(d, "root-user", "root", instead("USER 10001:10001", "USER root"), instead("USER 10001:10001", "USER 0"), instead("USER 10001:10001", "USER 0:0"))
	add(d, "no-user", "no user", instead("USER 10001:10001\n", ""))
	add(d, "env-secret", "a plain key", after("WORKDIR /app\n", "ENV API_KEY="+key()), after("WORKDIR /app\n", "ENV OTHER=1 \\\n    CLIENT_SECRET="+key()), after("WORKDIR /app\n", "ENV dbPassword "+key()))
	add(d, "arg-secret", "a key as build argument", after("WORKDIR /app\n", "ARG NPM_TOKEN"), after("WORKDIR /app\n", "ARG githubToken"))
	add(d, "pipe-to-shell", "a script from the network", after("WORKDIR /app\n", "RUN curl -fsSL https://x.example.net/i.sh | sh"), after("WORKDIR /app\n", "RUN set -e; \\\n  wget -qO- https://x.example.net/i.sh | bash -s --"), after("WORKDIR /app\n", "RUN <<EOF\ncurl https://x.example.net/i.sh | sh\nEOF"))
	add(d, "unchecked-download", "certificates unchecked", after("WORKDIR /app\n", "RUN curl -k -o x https://x.example.net/x"), after("WORKDIR /app\n", "RUN wget --no-check-certificate https://x.example.net/x"), after("WORKDIR /app\n", "ENV NODE_TLS_REJECT_UNAUTHORIZED=0"))
	add(d, "add-remote", "a file from the network", after("WORKDIR /app\n", "ADD https://x.example.net/x /x"))
	add(d, "copy-everything", "everything", after("WORKDIR /app\n", "COPY . ."), after("WORKDIR /app\n", "COPY --chown=1:1 ./ /app/"))
	add(d, "lock-file", "dependencies of the day", after("WORKDIR /app\n", "RUN npm install"), after("WORKDIR /app\n", "RUN pip install requests"))
	add(d, "world-writable", "files for everyone", after("WORKDIR /app\n", "RUN chmod -R 777 /app"), after("WORKDIR /app\n", "RUN chmod a+w /app"))
	add(d, "package-unpinned", "a package of any version", behind(`CMD ["npx", "-y", "@example/mcp"]`), behind("CMD npx -y @example/mcp"), behind(`ENTRYPOINT ["sh", "-c", "exec uvx example-mcp"]`))
	add(d, "image-latest", "an image of any version", behind("FROM alpine:latest"), behind("FROM alpine"))
	add(d, "no-healthcheck", "no health check", func(in string) (string, bool) {
		lines := strings.Split(in, "\n")
		for i, l := range lines {
			if strings.HasPrefix(l, "HEALTHCHECK") {
				return strings.Join(append(lines[:i:i], lines[i+1:]...), "\n"), true
			}
		}
		return in, false
	})
	u := rule.Systemd
	add(u, "root", "root", instead("User=mcp\n", ""), instead("User=mcp\n", "User=root\n"), instead("User=mcp\n", "User=0\n"), behind("[Service]\nUser=root"))
	add(u, "env-secret", "a plain key", after("[Service]\n", "Environment=API_KEY="+key()), after("[Service]\n", "Environment=\"A=1\" \"clientSecret="+key()+"\""), after("[Service]\n", "Environment='API_KEY="+key()+"'"))
	add(u, "new-privileges", "more rights", instead("NoNewPrivileges=yes", "NoNewPrivileges=no"), behind("[Service]\nNoNewPrivileges=false"))
	add(u, "protect-system", "a system that can be changed", instead("ProtectSystem=strict", "ProtectSystem=false"), behind("[Service]\nProtectSystem=no"))
	add(u, "protect-home", "homes", instead("ProtectHome=yes", "ProtectHome=no"))
	add(u, "capabilities", "parts of root", instead("CapabilityBoundingSet=\n", "CapabilityBoundingSet=CAP_SYS_ADMIN\n"), instead("CapabilityBoundingSet=\n", "CapabilityBoundingSet=~CAP_SYS_TIME\n"))
	add(u, "env-secret", "a key in the command", after("[Service]\n", "ExecStartPre=/usr/bin/x --api-key "+key()), after("[Service]\n", "ExecStartPre=-/usr/bin/x --token="+key()))
	add(u, "tls-unchecked", "certificates unchecked", after("[Service]\n", "Environment=A=1 NODE_TLS_REJECT_UNAUTHORIZED=0"), after("[Service]\n", "ExecStartPre=/usr/bin/x --insecure"))
	add(u, "package-unpinned", "a package of any version", after("[Service]\n", "ExecStartPre=/usr/bin/npx -y @example/mcp"), after("[Service]\n", "ExecStartPre=+/bin/sh -c 'uvx example-mcp'"))
	add(rule.OSSA, "secret", "a key in a comment", func(in string) (string, bool) {
		return strings.TrimRight(in, "\n") + "\n# dsn: https://app:" + key() + "@db.example.net/x\n", !strings.HasPrefix(in, "{")
	})
	n := rule.Nginx
	add(n, "tls-old", "an old version", instead("ssl_protocols TLSv1.2 TLSv1.3;", "ssl_protocols TLSv1 TLSv1.2;"), instead("ssl_protocols TLSv1.2 TLSv1.3;", "ssl_protocols\n  TLSv1.1\n  TLSv1.2;"))
	add(n, "tls-versions", "no word of versions", instead("ssl_protocols TLSv1.2 TLSv1.3;", ""))
	add(n, "weak-ciphers", "weak ciphers", instead("ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;", "ssl_ciphers ALL;"), instead("ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;", "ssl_ciphers 'HIGH:RC4-SHA';"))
	add(n, "plain-http", "no TLS", instead("return 308 https://mcp.example.com$request_uri;", "location / { proxy_pass http://127.0.0.1:8811; }"))
	add(n, "upstream-unverified", "a server that nobody checks", instead("proxy_pass http://127.0.0.1:8811;", "proxy_pass https://10.0.0.8:8811;"), instead("proxy_pass http://127.0.0.1:8811;", "proxy_pass https://10.0.0.8:8811; proxy_ssl_verify off;"))
	add(n, "forged-address", "an address that callers choose", instead("X-Forwarded-For $remote_addr", "X-Forwarded-For $http_x_forwarded_for"))
	add(n, "body-unlimited", "bodies of any size", instead("client_max_body_size 1m;", "client_max_body_size 0;"), after("location /mcp {", "client_max_body_size 0;"))
	add(n, "hsts", "no word of TLS to browsers", instead("add_header Strict-Transport-Security \"max-age=63072000\" always;", ""))
	add(n, "server-tokens", "the version", instead("server_tokens off;", ""), instead("server_tokens off;", "server_tokens on;"))
	add(n, "any-host", "any host", instead("listen 443 ssl;\n        http2 on;\n        server_name mcp.example.com;", "listen 443 ssl;\n        server_name _;"))
	add(n, "autoindex", "lists of folders", after("location /mcp {", "autoindex on;"))
	add(n, "alias-traversal", "an alias that leads out", after("server_tokens off;", "server { listen 127.0.0.1:81; server_name a.example; location /files { alias /data/; } }"))
	add(n, "redirect-host", "a redirect to anywhere", instead("server_name mcp.example.com;\n        return 308 https://mcp.example.com$request_uri", "server_name _;\n        return 308 https://$host$request_uri"), instead("https://mcp.example.com$request_uri", "https://$http_host$request_uri"))
	e := rule.Env
	add(e, "example-real", "a real value", after("OPENAI_API_KEY=", "ANTHROPIC_API_KEY="+key()), after("OPENAI_API_KEY=", "export clientSecret="+key()), after("OPENAI_API_KEY=", "DB_URL=\"postgres://app:"+key()+"@db/x\""))
	add(e, "switched-off", "certificates unchecked", after("OPENAI_API_KEY=", "NODE_TLS_REJECT_UNAUTHORIZED=0"), after("OPENAI_API_KEY=", "export NODE_TLS_REJECT_UNAUTHORIZED=\"0\""), after("OPENAI_API_KEY=", "PYTHONHTTPSVERIFY=0"), after("OPENAI_API_KEY=", "GIT_SSL_NO_VERIFY=true"))
	add(e, "weak-value", "a password that everybody tries", after("LISTEN_ADDR=", "DB_PASSWORD=changeme"), after("LISTEN_ADDR=", "DB_PASSWORD='postgres'"), after("LISTEN_ADDR=", "export adminPassword=admin"))
	return out
}
