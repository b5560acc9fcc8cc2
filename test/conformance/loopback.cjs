// Preloaded into npm servers that would listen on every address: they listen
// on 127.0.0.1 instead.
const net = require("node:net");
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
  if (typeof port === "number" || typeof port === "string") {
    const done = rest.find((a) => typeof a === "function");
    return listen.call(this, { port: Number(port), host: "127.0.0.1" }, done);
  }
  return listen.call(this, port, ...rest);
};
