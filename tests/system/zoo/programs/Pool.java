// SPDX-License-Identifier: LGPL-2.1-or-later
// URL CERTIFICATE SIZE: a pool of Apache HttpClient, filled once; then a request each second.
import java.io.FileInputStream;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.concurrent.CyclicBarrier;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.apache.http.client.methods.CloseableHttpResponse;
import org.apache.http.client.methods.HttpGet;
import org.apache.http.config.RegistryBuilder;
import org.apache.http.conn.socket.ConnectionSocketFactory;
import org.apache.http.conn.ssl.SSLConnectionSocketFactory;
import org.apache.http.impl.client.CloseableHttpClient;
import org.apache.http.impl.client.HttpClients;
import org.apache.http.impl.conn.PoolingHttpClientConnectionManager;
import org.apache.http.util.EntityUtils;

public class Pool {
	static SSLContext trusting(String path) throws Exception {
		KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
		store.load(null, null);
		try (FileInputStream file = new FileInputStream(path)) {
			store.setCertificateEntry("zoo", CertificateFactory.getInstance("X.509").generateCertificate(file));
		}
		TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
		factory.init(store);
		SSLContext context = SSLContext.getInstance("TLS");
		context.init(null, factory.getTrustManagers(), null);
		return context;
	}

	static void get(CloseableHttpClient client, String url, CyclicBarrier held) throws Exception {
		try (CloseableHttpResponse reply = client.execute(new HttpGet(url))) {
			if (held != null)
				held.await();
			if (!EntityUtils.toString(reply.getEntity()).equals("hello\n"))
				throw new IllegalStateException("another answer");
		}
	}

	public static void main(String[] arguments) throws Exception {
		String url = arguments[0];
		int size = Integer.parseInt(arguments[2]);
		PoolingHttpClientConnectionManager manager = new PoolingHttpClientConnectionManager(
			RegistryBuilder.<ConnectionSocketFactory>create()
				.register("https", new SSLConnectionSocketFactory(trusting(arguments[1]))).build());
		manager.setMaxTotal(size);
		manager.setDefaultMaxPerRoute(size);
		CloseableHttpClient client = HttpClients.custom().setConnectionManager(manager).build();
		CyclicBarrier held = new CyclicBarrier(size);
		Thread[] threads = new Thread[size];
		for (int i = 0; i < size; i++) {
			threads[i] = new Thread(() -> {
				try {
					get(client, url, held);
				} catch (Exception error) {
					error.printStackTrace();
					System.exit(1);
				}
			});
			threads[i].start();
		}
		for (Thread thread : threads)
			thread.join();
		for (int requests = size;; requests++) {
			System.out.println("{\"requests\": " + requests + "}");
			Thread.sleep(1000);
			get(client, url, null);
		}
	}
}
