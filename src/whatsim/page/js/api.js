// Calls to the control API; a refusal becomes an Error with the sentence that the server wrote for people.

export class Refusal extends Error {
  constructor(detail, status, code) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

async function call(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Refusal("The simulated network does not answer.", 0, "unreachable");
  }
  const text = await response.text();
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    throw new Refusal(`The server's answer (${response.status}) cannot be read.`, response.status, "unreadable");
  }
  if (!response.ok) throw new Refusal(answer?.detail ?? response.statusText, response.status, answer?.code);
  return answer;
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);
export const remove = (path) => call("DELETE", path);

/** Return a file's content as base64 (without the data URL's head). */
export function base64Of(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(String(reader.result).split(",", 2)[1] ?? ""));
    reader.addEventListener("error", () => reject(new Error("The file cannot be read.")));
    reader.readAsDataURL(file);
  });
}
