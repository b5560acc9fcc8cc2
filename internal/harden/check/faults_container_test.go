package check_test

import "github.com/portcullis-dev/portcullis/internal/harden/check/rule"

func composeFaults() []fault {
	var out []fault
	add := func(id, name string, members ...table) {
		for _, more := range members {
			out = append(out, fault{kind: rule.Compose, name: name, rule: "compose-" + id, tree: func(m table) bool {
				s := at(m, "services")
				if s != nil {
					t := table{"image": "example/x:1@sha256:3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c", "user": "10001:10001"}
					for k, v := range more {
						t[k] = v
					}
					s["planted"] = t
				}
				return s != nil
			}})
		}
	}
	vol := func(v any) table { return table{"volumes": []any{v}} }
	add("privileged", "all rights", table{"privileged": true}, table{"privileged": "true"})
	add("capabilities-added", "parts of root", table{"cap_add": []any{"SYS_ADMIN"}}, table{"cap_add": []any{"ALL"}}, table{"cap_add": []any{"CAP_NET_ADMIN"}}, table{"cap_add": []any{"sys_ptrace"}})
	add("unconfined", "no seccomp", table{"security_opt": []any{"seccomp:unconfined"}}, table{"security_opt": []any{"seccomp=unconfined"}}, table{"security_opt": []any{"apparmor:unconfined"}})
	add("root-user", "root", table{"user": "root"}, table{"user": "0"}, table{"user": 0}, table{"user": "0:0"}, table{"user": "root:root"})
	add("docker-socket", "the engine", vol("/var/run/docker.sock:/var/run/docker.sock"), vol("/run/docker.sock:/s:ro"), vol(table{"type": "bind", "source": "/var/run/docker.sock", "target": "/s"}), vol("/run/podman/podman.sock:/s"))
	add("system-mount", "the system", vol("/:/host"), vol("/etc:/etc:ro"), vol(table{"type": "bind", "source": "/root", "target": "/r"}), vol("/var/run:/run"), vol("~/.ssh:/ssh"))
	add("port-all-addresses", "a port for everyone", table{"ports": []any{"9999:80"}}, table{"ports": []any{"0.0.0.0:9999:80"}}, table{"ports": []any{table{"target": 80, "published": "9999"}}}, table{"ports": []any{"9000-9010:9000-9010"}}, table{"ports": []any{"[::]:9999:80"}}, table{"ports": []any{9999}})
	add("database-published", "a database for everyone", table{"image": "postgres:17.6", "ports": []any{"5432:5432"}}, table{"ports": []any{"6379:6379"}})
	add("host-network", "the host's network", table{"network_mode": "host"})
	add("host-namespaces", "the host's processes", table{"pid": "host"}, table{"ipc": "host"}, table{"userns_mode": "host"}, table{"uts": "host"}, table{"cgroup": "host"})
	add("unconfined", "walls that are off", table{"security_opt": []any{"systempaths=unconfined"}}, table{"security_opt": []any{"label:disable"}}, table{"security_opt": []any{"no-new-privileges:true", "seccomp:unconfined"}})
	add("tls-unchecked", "certificates unchecked", table{"environment": table{"NODE_TLS_REJECT_UNAUTHORIZED": 0}}, table{"environment": []any{"PYTHONHTTPSVERIFY=0"}}, table{"command": "serve --insecure"}, table{"command": []any{"--verify-ssl=false"}})
	add("package-unpinned", "a package of any version", table{"command": "npx -y @example/mcp"}, table{"command": []any{"npx", "-y", "@example/mcp"}}, table{"entrypoint": []any{"sh", "-c"}, "command": []any{"uvx example-mcp"}}, table{"command": "sh -c 'npm config set x y && npx -y @example/mcp'"}, table{"entrypoint": "uvx", "command": "example-mcp"})
	add("env-secret", "a key in the command", table{"command": []any{"serve", "--api-key", key()}}, table{"command": "serve --api-key=" + key()}, table{"command": "serve --header 'Authorization: Bearer " + key() + "'"})
	out = append(out, fault{kind: rule.Compose, name: "the system by a volume", rule: "compose-system-mount", tree: func(m table) bool {
		if at(m, "services") == nil {
			return false
		}
		sub(m, "volumes")["planted"] = table{"driver": "local", "driver_opts": table{"type": "none", "o": "bind", "device": "/"}}
		sub(m, "services")["planted"] = table{"image": "x", "volumes": []any{"planted:/host"}}
		return true
	}})
	add("devices", "a device", table{"devices": []any{"/dev/sda:/dev/sda"}})
	add("image-latest", "an image of any version", table{"image": "example/x"}, table{"image": "example/x:latest"}, table{"image": "ghcr.io/example/x:main"})
	add("image-digest", "an image without digest", table{"image": "example/x:1.2.3"})
	add("env-secret", "a plain key", table{"environment": table{"API_KEY": key()}}, table{"environment": []any{"API_KEY=" + key()}}, table{"environment": table{"POSTGRES_PASSWORD": "postgres"}}, table{"environment": table{"clientSecret": key()}}, table{"environment": table{"DATABASE_URL": "postgres://app:" + key() + "@db/x"}})
	return out
}

// pods calls f with each table that has containers, until it returns true.
func pods(m table, f func(spec table) bool) bool {
	return eachTable(m, func(t table) bool {
		list, ok := t["containers"].([]any)
		return ok && len(list) > 0 && f(t)
	})
}

func clusterFaults() []fault {
	var out []fault
	add := func(id, name string, plants ...func(table) bool) {
		for _, p := range plants {
			out = append(out, fault{kind: rule.Kubernetes, name: name, rule: "kubernetes-" + id, tree: p})
		}
	}
	spec := func(name string, v any) func(table) bool {
		return func(m table) bool { return pods(m, func(t table) bool { t[name] = v; return true }) }
	}
	box := func(more table) []func(table) bool {
		var plants []func(table) bool
		for _, where := range []string{"containers", "initContainers"} {
			plants = append(plants, func(m table) bool {
				return pods(m, func(t table) bool {
					c := table{"name": "planted", "image": "example/x:1@sha256:3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c"}
					for k, v := range more {
						c[k] = v
					}
					return put(t, where, c)
				})
			})
		}
		return plants
	}
	object := func(o table) func(table) bool {
		return func(m table) bool {
			if m["kind"] == nil || m["apiVersion"] == nil {
				return false
			}
			for k := range m {
				delete(m, k)
			}
			for k, v := range o {
				m[k] = v
			}
			return true
		}
	}
	secure := func(k string, v any) []func(table) bool { return box(table{"securityContext": table{k: v}}) }
	add("privileged", "all rights", secure("privileged", true)...)
	add("capabilities-added", "parts of root", secure("capabilities", table{"add": []any{"SYS_ADMIN"}})...)
	add("privilege-escalation", "more rights", secure("allowPrivilegeEscalation", true)...)
	add("run-as-user-root", "root", append(secure("runAsUser", 0), spec("securityContext", table{"runAsUser": 0}))...)
	add("read-only-root", "a writable root", secure("readOnlyRootFilesystem", false)...)
	add("seccomp-off", "no seccomp", secure("seccompProfile", table{"type": "Unconfined"})...)
	add("host-namespaces", "the host's namespaces", spec("hostNetwork", true), spec("hostPID", true), spec("hostIPC", true))
	add("host-path", "the host's files", spec("volumes", []any{table{"name": "h", "hostPath": table{"path": "/"}}}))
	add("host-port", "a port of the host", box(table{"ports": []any{table{"containerPort": 80, "hostPort": 80}}})...)
	add("image-latest", "an image of any version", append(box(table{"image": "example/x:latest"}), box(table{"image": "example/x"})...)...)
	add("image-digest", "an image without digest", box(table{"image": "example/x:1.2.3"})...)
	add("env-secret", "a plain key", append(box(table{"env": []any{table{"name": "API_KEY", "value": key()}}}), box(table{"env": []any{table{"name": "DATABASE_URL", "value": "postgres://app:" + key() + "@db/x"}}})...)...)
	for _, kind := range []string{"Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicaSet", "Rollout", "Service"} { // the last two of operators
		add("privileged", "all rights in a "+kind, object(table{"apiVersion": "example.com/v1", "kind": kind, "metadata": table{"name": "x", "namespace": "y"}, "spec": table{"template": table{"spec": table{"containers": []any{table{"name": "a", "image": "b", "securityContext": table{"privileged": true}}}}}}}))
	}
	add("tls-unchecked", "certificates unchecked", append(box(table{"env": []any{table{"name": "NODE_TLS_REJECT_UNAUTHORIZED", "value": "0"}}}), box(table{"args": []any{"--insecure"}})...)...)
	add("package-unpinned", "a package of any version", append(box(table{"command": []any{"npx"}, "args": []any{"-y", "@example/mcp"}}), box(table{"command": []any{"sh", "-c", "uvx example-mcp"}})...)...)
	add("env-secret", "a key in the arguments", append(box(table{"args": []any{"--api-key", key()}}), box(table{"args": []any{"--apiKey=" + key()}})...)...)
	add("service-account-token", "a token of the cluster", func(m table) bool {
		return pods(m, func(t table) bool {
			off := t["automountServiceAccountToken"] == false
			t["automountServiceAccountToken"] = true
			return off
		})
	})
	add("configmap-secret", "a key in a map", object(table{"apiVersion": "v1", "kind": "ConfigMap", "metadata": table{"name": "x", "namespace": "y"}, "data": table{"API_KEY": key()}}))
	add("secret-in-repository", "a secret", object(table{"apiVersion": "v1", "kind": "Secret", "metadata": table{"name": "x", "namespace": "y"}, "stringData": table{"token": key()}}))
	add("role-wildcard", "every right", object(table{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": table{"name": "x"}, "rules": []any{table{"apiGroups": []any{"*"}, "resources": []any{"*"}, "verbs": []any{"*"}}}}))
	add("role-secrets", "all secrets", object(table{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": table{"name": "x", "namespace": "y"}, "rules": []any{table{"apiGroups": []any{""}, "resources": []any{"secrets"}, "verbs": []any{"list"}}}}))
	add("cluster-admin", "the whole cluster", object(table{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": table{"name": "x"}, "roleRef": table{"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": "rbac.authorization.k8s.io"}, "subjects": []any{table{"kind": "ServiceAccount", "name": "x", "namespace": "y"}}}))
	add("service-exposed", "a port of every node", object(table{"apiVersion": "v1", "kind": "Service", "metadata": table{"name": "x", "namespace": "y"}, "spec": table{"type": "NodePort", "ports": []any{table{"port": 80}}}}))
	add("policy-allows-all", "every peer", object(table{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": table{"name": "x", "namespace": "y"}, "spec": table{"podSelector": table{}, "policyTypes": []any{"Ingress"}, "ingress": []any{table{}}}}))
	add("ingress-tls", "no certificate", object(table{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": table{"name": "x", "namespace": "y"}, "spec": table{"rules": []any{table{"host": "x.example.net", "http": table{"paths": []any{table{"path": "/", "pathType": "Prefix", "backend": table{"service": table{"name": "x", "port": table{"number": 80}}}}}}}}}}))
	return out
}

func pipelineFaults() []fault {
	var out []fault
	add := func(id, name string, plants ...func(table) bool) {
		for _, p := range plants {
			out = append(out, fault{kind: rule.CI, name: name, rule: "ci-" + id, tree: p})
		}
	}
	step := func(s table) func(table) bool {
		return func(m table) bool {
			return eachTable(m["jobs"], func(t table) bool { return t["steps"] != nil && put(t, "steps", s) })
		}
	}
	script := func(line string) []func(table) bool {
		return []func(table) bool{step(table{"run": line}), func(m table) bool {
			return m["jobs"] == nil && eachTable(m, func(t table) bool { return t["script"] != nil && put(t, "script", line) })
		}}
	}
	add("action-unpinned", "an action of any version", step(table{"uses": "example/action@v3"}))
	add("action-branch", "an action of a branch", step(table{"uses": "example/action@main"}))
	add("action-hijacked", "an action that was hijacked", step(table{"uses": "tj-actions/changed-files@v44"}))
	add("permissions-wide", "every right", func(m table) bool { m["permissions"] = "write-all"; return m["jobs"] != nil })
	add("permissions-missing", "no word of rights", func(m table) bool { return m["jobs"] != nil && drop(m, "permissions") })
	add("script-injection", "text of strangers in a script", step(table{"run": "echo ${{ github.event.pull_request.title }}"}), step(table{"run": "echo \"${{ github.head_ref }}\""}), step(table{"uses": "actions/github-script@60a0d83039c74a4aee543508d2ffcb1c3799cdea", "with": table{"script": "console.log('${{ github.event.issue.body }}')"}}))
	add("pull-request-target", "code of strangers", func(m table) bool {
		m["on"] = table{"pull_request_target": nil}
		return step(table{"uses": "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8", "with": table{"ref": "${{ github.event.pull_request.head.sha }}"}})(m)
	})
	add("pipe-to-shell", "a script from the network", script("curl -fsSL https://x.example.net/i.sh | bash")...)
	add("written-secret", "a plain key", step(table{"run": "x", "env": table{"API_KEY": key()}}))
	add("tls-unchecked", "certificates unchecked", append(append(script("curl -k https://x.example.net/x -o x"), script("NODE_TLS_REJECT_UNAUTHORIZED=0 npm ci")...), func(m table) bool {
		sub(m, "env")["NODE_TLS_REJECT_UNAUTHORIZED"] = 0
		return m["jobs"] != nil
	}, func(m table) bool {
		sub(m, "variables")["GIT_SSL_NO_VERIFY"] = "true"
		return m["jobs"] == nil
	})...)
	add("secret-in-log", "a secret in the log", step(table{"run": "echo ${{ secrets.DEPLOY_TOKEN }}"}))
	add("scan-ignored", "a scan that nobody looks at", script("npm audit --audit-level=high || true")...)
	add("lock-file", "dependencies of the day", script("npm install")...)
	return out
}
