# SPDX-License-Identifier: Apache-2.0
"""A bare OVSDB client for tests: sends what it is told, keeps what arrives.

    client = Client('/run/.../db.sock')
    client.transact('Open_vSwitch', {'op': 'insert', ...})      # the array of results
    client.request('get_schema', ['Open_vSwitch'])              # the whole answer
    client.notifications()                                      # those that came by now
"""

import json
import socket

TIMEOUT = 20


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(path)
        self.text = ''
        self.id = 0
        self.heard = []

    def close(self):
        self.socket.close()

    def send(self, method, params, number):
        self.socket.sendall(json.dumps({'method': method, 'params': params, 'id': number}).encode())

    def receive(self):
        """The next message."""
        decoder = json.JSONDecoder()
        while True:
            try:
                message, end = decoder.raw_decode(self.text)
                self.text = self.text[end:].lstrip()
                return message
            except ValueError:
                data = self.socket.recv(1 << 20)
                if not data:
                    raise EOFError('the server closed the connection') from None
                self.text += data.decode()

    def receive_answer(self, number):
        while True:
            message = self.receive()
            if message.get('method') == 'echo':
                self.socket.sendall(json.dumps({'id': message['id'], 'result': message['params'],
                                                'error': None}).encode())
            elif 'method' in message:
                self.heard.append(message)
            elif message['id'] == number:
                return message

    def request(self, method, params):
        self.id += 1
        self.send(method, params, self.id)
        return self.receive_answer(self.id)

    def transact(self, database, *operations):
        answer = self.request('transact', [database, *operations])
        assert not answer.get('error'), answer
        return answer['result']

    def notifications(self):
        """What has come; an echo of ours makes sure that all sent before it is here."""
        self.request('echo', [])
        heard, self.heard = self.heard, []
        return heard
