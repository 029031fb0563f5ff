// The data layer as the pages see it; nothing in this folder knows of components.
export * from './account.ts';
export * from './book.ts';
export * from './decimal.ts';
export * from './markets.ts';
export * from './order-form.ts';
export * from './orders.ts';
export * from './requests.ts';
export * from './streams.ts';
