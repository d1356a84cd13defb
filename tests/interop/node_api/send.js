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

// Bulk deliveries of blastengine's package, step by step: {of, step, argument}.
clients.blastengine_bulk = (given) => {
  clients.blastengine(given);
  const { Bulk, Mail } = require("blastengine");
  const made = {};
  const steps = {
    async begin(bulk, { from, name, subject, text, html, file }) {
      bulk.setFrom(from, name).setSubject(subject).setText(text);
      if (html) bulk.setHtml(html);
      if (file) bulk.addAttachment(file);
      return (await bulk.register()).delivery_id;
    },
    async update(bulk, { to }) {
      for (const [address, codes] of to) bulk.addTo(address, codes);
      return (await bulk.update()).delivery_id;
    },
    async import(bulk, { path }) {
      const job = await bulk.import(path);
      do await job.get();
      while (job.percentage < 100);
      const { status, successCount, failedCount, totalCount } = job;
      const errors = failedCount > 0 ? await job.download() : "";
      return { status, successCount, failedCount, totalCount, errors };
    },
    send: (bulk) => bulk.send(),
    cancel: (bulk) => bulk.cancel(),
    delete: (bulk) => bulk.delete(),
    async get(bulk) {
      await bulk.get();
      const { status, subject, totalCount, sentCount, hardErrorCount } = bulk;
      return { status, subject, totalCount, sentCount, hardErrorCount };
    },
    // One recipient: made, read back, changed, taken out again.
    async email(bulk, { address, codes }) {
      const email = bulk.email();
      email.address = address;
      email.insertCode = codes;
      await email.save();
      const seen = bulk.email();
      seen.emailId = email.emailId;
      await seen.get();
      const read = seen.address;
      email.address = "changed-" + address;
      await email.save();
      await seen.get();
      const changed = seen.address;
      return { read, changed, gone: await email.delete() };
    },
    async analysis(bulk) {
      const report = bulk.report();
      while (!(await report.finished()));
      return { url: report.mailOpenFileUrl, csv: await report.download() };
    },
    async find(bulk, conditions) {
      const found = await Mail.find(conditions);
      return found.map((one) => ({ id: one.deliveryId, status: one.status }));
    },
  };
  return ({ of, step, argument, id }) => {
    made[of] = made[of] || new Bulk();
    if (id) made[of].deliveryId = id;
    return steps[step](made[of], argument || {});
  };
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
        recipients: error.recipients,
        body,
      });
    }
  }
  console.log("OUTCOMES " + JSON.stringify(outcomes));
}

main();
