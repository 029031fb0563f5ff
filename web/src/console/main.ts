import { mount } from 'svelte';
import App from './app.svelte';
import '../app.css';

const target = document.querySelector('#app');
if (!target) throw new Error('the page has no place for the console');
mount(App, { target });
