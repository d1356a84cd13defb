// Sends with the unmodified clients of other services, pointed at `base`; prints as JSON what each
// call gave. Standard input: {base, key, login, client, calls: [...]}.
const fs = require("fs");

const clients = {
  sendgrid(given) {
    const mail = require("@sendgrid/mail");
    mail.setApiKey(given.key);
    // setApiKey puts the base URL back, so this comes second.
    mail.client.setDefaultRequest("baseUrl", given.base + "/");
    return async (message) => {
      const [response] = await mail.send(message, message.isMultiple);
      return { status: response.statusCode, id: response.headers["x-message-id"] };
    };
  },
  // Any call: {method, url, body, qs}.
  sendgrid_client(given) {
    const client = require("@sendgrid/client");
    client.setApiKey(given.key);
    client.setDefaultRequest("baseUrl", given.base + "/");
    return async (request) => {
      const [response, body] = await client.request(request);
      return { status: response.statusCode, body };
    };
  },
  postmark(given) {
    const { ServerClient } = require("postmark");
    const client = new ServerClient(given.key, {
      requestHost: given.base.replace("http://", ""),
      useHttps: false,
    });
    return (message) =>
      Array.isArray(message) ? client.sendEmailBatch(message) : client.sendEmail(message);
  },
  resend(given) {
    const { Resend } = require("resend");
    const client = new Resend(given.key, { baseUrl: given.base });
    return ({ options, ...message }) =>
      message.batch
        ? client.batch.send(message.batch, options)
        : client.emails.send(message, options);
  },
  blastengine(given) {
    const { BlastEngine, Transaction } = require("blastengine");
    new BlastEngine(given.login, given.key);
    const request = Transaction.request;
    const original = request.getRequest.bind(request);
    request.getRequest = (method, url) =>
      original(method, url.replace("https://app.engn.jp", given.base));
    return async (message) => {
      const mail = new Transaction();
      mail.setFrom(message.from, message.name).setTo(message.to, message.codes || {});
      mail.setSubject(message.subject).setText(message.text);
      if (message.html) mail.setHtml(message.html);
      if (message.encode) mail.setEncode(message.encode);
      for (const copy of message.cc || []) mail.addCc(copy);
      for (const file of message.files || []) mail.addAttachment(file);
      await mail.send();
      return { id: mail.deliveryId };
    };
  },
};

// What blastengine's package asks about mail that was sent.
clients.blastengine_asks = (given) => {
  clients.blastengine(given);
  const { ErrorReport, Log, Usage } = require("blastengine");
  const asks = {
    logs: (conditions) => Log.find(conditions),
    usages: (months) => Usage.get(months),
    latest: () => Usage.getLatest(),
    async errors() {
      const report = new ErrorReport();
      await report.create();
      while (!(await report.finished()));
      return await report.download();
    },
  };
  return ({ ask, argument }) => asks[ask](argument);
};

async function main() {
  const given = JSON.parse(fs.readFileSync(0, "utf8"));
  const send = clients[given.client](given);
  const outcomes = [];
  for (const call of given.calls) {
    try {
      outcomes.push({ result: await send(call) });
    } catch (error) {
      const body = error.response && error.response.body;
      outcomes.push({
        error: error.message,
        code: error.code || error.statusCode,
        errorCode: error.errorCode,
        body,
      });
    }
  }
  console.log("OUTCOMES " + JSON.stringify(outcomes));
}

main();
