"""Takes https and hands http on, as an ingress does: python https.py PORT TARGET_PORT CERTIFICATE_AND_KEY"""

import asyncio
import ssl
import sys

port, target, certificate = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # either side may go away
    finally:
        writer.close()


async def serve(reader, writer):
    try:
        behind = await asyncio.open_connection("127.0.0.1", target)
    except OSError:
        return writer.close()
    await asyncio.gather(pump(reader, behind[1]), pump(behind[0], writer))


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server = await asyncio.start_server(serve, "localhost", port, ssl=context)
    await server.serve_forever()


asyncio.run(main())
