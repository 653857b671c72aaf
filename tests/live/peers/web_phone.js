// The page of a SIP phone: JsSIP (window.JsSIP) over a WebSocket, with the sound of browser.js.
// It knows one call at a time, by the word "call"; what it sees it tells by window.tell.

let agent;

async function switchOn(given) {
  habits = given;
  agent = new JsSIP.UA({
    sockets: [new JsSIP.WebSocketInterface(habits.url)], uri: habits.uri, register: false, session_timers: false,
    display_name: habits.name,
  });
  agent.on('newRTCSession', ({session, originator}) => {
    sessions.call = session;
    if (originator === 'remote') told('call', 'is called', session.remote_identity.uri.toString());
    session.on('progress', () => told('call', 'progress', ''));
    session.on('confirmed', () => told('call', 'confirmed', ''));
    session.on('ended', ({originator, cause}) => told('call', `ended ${originator} ${cause}`, ''));
    session.on('failed', ({originator, cause}) => told('call', `failed ${originator} ${cause}`, ''));
    session.on('hold', ({originator}) => told('call', `hold ${originator}`, ''));
    session.on('unhold', ({originator}) => told('call', `unhold ${originator}`, ''));
    if (session.connection) hear(session.connection);
    else session.on('peerconnection', ({peerconnection}) => hear(peerconnection));
  });
  agent.on('newMessage', ({message, originator, request}) => {
    if (originator === 'remote') told('call', `message ${request.body}`, message.remote_identity.uri.toString());
  });
  const ready = new Promise((resolve, reject) => {
    agent.on('connected', resolve);
    agent.on('disconnected', ({reason}) => reject(new Error(`disconnected ${reason}`)));
  });
  agent.start();
  await ready;
}

async function switchOff() {
  const gone = new Promise(resolve => agent.on('disconnected', resolve));
  agent.stop();
  await gone;
}

function hear(connection) {
  connection.addEventListener('track', ({track, streams}) => listen('call', track, streams[0]));
}

function media() {
  return {mediaStream: new MediaStream([tone()]), pcConfig: {iceServers: []}};
}

function dial(target) {
  agent.call(target, media());
}

function pickUp() {
  sessions.call.answer(media());
}

function hangUpPhone() {
  sessions.call.terminate();
}

function write(target, text) {
  agent.sendMessage(target, text, {eventHandlers: {
    succeeded: ({response}) => told('call', `sent ${response.status_code}`, ''),
    failed: ({response, cause}) => told('call', `not sent ${response ? response.status_code : cause}`, ''),
  }});
}
